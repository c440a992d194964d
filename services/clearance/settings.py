from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from services.kit.settings import Settings


class ClearanceSettings(Settings):
    time_zone: str = "Asia/Shanghai"
    """Of the day a case is opened on."""
    projector_workers: Annotated[int, Field(ge=1, le=8)] = 2
    """Batches written concurrently, each on its own connection."""
    projector_batch: Annotated[int, Field(ge=1, le=10_000)] = 2000
    """Records in a batch."""

    keys: Path = Path(".lixiao/keys")
    """Folder of private signing keys, created with a first key if missing."""
    attempt_life_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("there is no such time zone; an example of one is Asia/Shanghai") from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)
