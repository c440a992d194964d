"""The notice service's tables."""
