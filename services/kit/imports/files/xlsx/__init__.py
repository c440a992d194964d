"""XLSX workbooks: one sheet, nothing unseen, within bounds."""
