"""Settings of the clearance beside those of every service."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from services.kit.settings import Settings


class ClearanceSettings(Settings):
    """`served_leave_categories` (a JSON list) are the leave categories whose students use the service."""

    served_leave_categories: Annotated[frozenset[str], Field(min_length=1, max_length=32)] = frozenset({"毕业离校"})
    time_zone: str = "Asia/Shanghai"
    """Decides the day a case is opened on."""
    projector_workers: Annotated[int, Field(ge=1, le=8)] = 2
    """Batches written to the view concurrently, each on its own connection."""
    projector_batch: Annotated[int, Field(ge=1, le=10_000)] = 2000
    """Maximum number of records in a batch."""

    keys: Path = Path(".lixiao/keys")
    """Folder of the private signing keys. It is created, with a first key, if there is none."""
    attempt_life_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """How long the departments have to answer an attempt."""

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
