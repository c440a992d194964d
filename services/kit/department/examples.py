"""A department's `examples.toml`, for OpenAPI and tests."""

import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

FILE: Final = "examples.toml"


class Examples(BaseModel):
    """`operations`: operation → bodies. `records` lack the student id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operations: dict[str, tuple[dict[str, Any], ...]] = {}
    rows: tuple[dict[str, Any], ...] = ()
    records: tuple[dict[str, Any], ...] = ()


def load_examples(folder: Path) -> Examples:
    """Empty without the file."""
    path = folder / FILE
    return Examples.model_validate(tomllib.loads(path.read_text("utf-8"))) if path.exists() else Examples()
