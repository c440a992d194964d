"""Exceptions for single students, which two persons decide, as pages."""
