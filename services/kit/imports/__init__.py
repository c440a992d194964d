"""Bulk import: a file of rows is taken in whole, then applied row by row, each one whole or not at all."""
