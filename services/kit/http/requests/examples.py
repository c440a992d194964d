"""Examples of request bodies, for OpenAPI."""

from typing import Any

from fastapi.openapi.models import Example


def openapi_examples(bodies: tuple[dict[str, Any], ...]) -> dict[str, Example] | None:
    return {str(number): Example(value=body) for number, body in enumerate(bodies, 1)} or None
