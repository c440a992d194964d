"""Secrets in files that are read again each time they are used: a replaced one counts at once."""

from pathlib import Path


class NoSecret(Exception):
    """The file is not there, not readable, or empty."""


def secret_of(text: str | None, file: Path | None) -> str | None:
    """The file's, without white space around it, else `text`. Raises `NoSecret`."""
    if file is None:
        return text
    try:
        found = file.read_text("utf-8").strip()
    except (OSError, ValueError):
        raise NoSecret(file.name) from None
    if not found:
        raise NoSecret(file.name)
    return found
