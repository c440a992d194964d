from pathlib import Path
from typing import Annotated

from pydantic import Field

from services.kit.settings import Days, Settings


class ClearanceSettings(Settings):
    projector_workers: Annotated[int, Field(ge=1, le=8)] = 2
    """Batches written concurrently, each on its own connection."""
    projector_batch: Annotated[int, Field(ge=1, le=10_000)] = 2000
    """Records in a batch."""

    keys: Path = Path(".lixiao/keys")
    """Folder of private signing keys, created with a first key if missing."""
    forget_after_days: Days | None = None
    """Finished departures are forgotten by themselves this long after their last change; never without it."""
    attempt_life_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
