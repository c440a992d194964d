"""A university's `clearance.toml`: how its graduate school clears, for the clearance and for the page.

Both must read the same file, so that the page shows what a submission will be asked.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from schemas.events import Name

FILE: Final = "clearance.toml"
CONFIGURATIONS: Final = Path(__file__).resolve().parents[2] / "config" / "universities"


class _Policy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Approvals(_Policy):
    """`one_person`: actions that take effect when they are proposed. Every other one needs a second person."""

    one_person: frozenset[Name] = frozenset()
    expire_after_hours: Annotated[int, Field(ge=1, le=2_160)] = 168


class ClearancePolicy(_Policy):
    approvals: Approvals = Approvals()


def load_policy(university: Path | None) -> ClearancePolicy:
    """Defaults without the file. Raises `ValueError` naming the file and the field at fault."""
    path = (university or CONFIGURATIONS / "cumt") / FILE
    return read_policy(path) if path.exists() else ClearancePolicy()


def read_policy(path: Path) -> ClearancePolicy:
    try:
        return ClearancePolicy.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
