"""Uploaded files to numbered rows of text cells. Pure."""
