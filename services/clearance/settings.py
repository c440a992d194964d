"""What the clearance is configured with beside the settings of every service."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from services.kit.settings import Settings


class ClearanceSettings(Settings):
    """LIXIAO_SERVED_LEAVE_CATEGORIES is a JSON list: the leave categories whose students use the service."""

    served_leave_categories: Annotated[frozenset[str], Field(min_length=1, max_length=32)] = frozenset({"毕业离校"})
    time_zone: str = "Asia/Shanghai"
    """Decides the day a case is opened on."""
    projector_workers: Annotated[int, Field(ge=1, le=8)] = 2
    """Batches written to the view at once, each on a connection of its own."""
    projector_batch: Annotated[int, Field(ge=1, le=10_000)] = 2000
    """Records in a batch, at most."""

    keys: Path = Path(".lixiao/keys")
    """Folder of the private keys forms are signed with. Made, and a first key in it, when there is none."""
    attempt_life_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    """How long the departments have to answer an attempt at a submission."""

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
