"""What is wrong with a file that somebody wrote. Pure."""

from pydantic import ValidationError


def fault_of(error: OSError | ValueError) -> str:
    """Field and rule, in one line and without content."""
    if not isinstance(error, ValidationError):
        return str(error.strerror if isinstance(error, OSError) else error)
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"]))) for each in found)
