"""When a student is clear with the archives: the printed thesis was handed in and approved. Pure."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from schemas.events import Reason
from services.kit.department.assessment import Assessment, check_status
from services.kit.department.fields import Item
from services.kit.department.rules import Record


class Thesis(StrEnum):
    EMPTY = "empty"
    SUBMITTED = "submitted"
    APPROVED = "approved"


class ArchivesRecord(Record):
    """What the archives know of one student. Nothing on record means nothing was handed in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"thesis": "submitted"}]})

    thesis: Thesis = Thesis.EMPTY


class ThesisFacts(Item):
    thesis: Literal["empty", "submitted", "approved"]


FACTS: Final[dict[str, type[BaseModel]]] = {"thesis": ThesisFacts}
"""Check → the shape of its facts, as published."""

_OPEN: Final = {
    Thesis.EMPTY: Reason(code="thesis-empty"),
    Thesis.SUBMITTED: Reason(code="thesis-submitted"),
}


def assess(record: ArchivesRecord) -> Assessment:
    """The one check of the archives: `thesis`."""
    against = [] if record.thesis is Thesis.APPROVED else [_OPEN[record.thesis]]
    facts = ThesisFacts(thesis=record.thesis.value)
    return Assessment((check_status("thesis", against, facts.model_dump(mode="json")),))
