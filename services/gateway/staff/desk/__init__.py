"""A department's desk on the staff's pages: its answers over HTTP, records, operations and imports."""
