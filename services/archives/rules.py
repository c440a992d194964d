"""Clear with the archives: the printed thesis was approved. Pure."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel

from services.kit.rules.assessment import Assessment, check_status
from services.kit.rules.department_rules import Record
from services.kit.rules.fields import Item
from services.kit.rules.reasons import Blocker

THESIS_EMPTY: Final = Blocker("thesis-empty")
THESIS_SUBMITTED: Final = Blocker("thesis-submitted")


class Thesis(StrEnum):
    EMPTY = "empty"
    SUBMITTED = "submitted"
    APPROVED = "approved"


class ArchivesRecord(Record):
    thesis: Thesis = Thesis.EMPTY


class ThesisFacts(Item):
    thesis: Literal["empty", "submitted", "approved"]


FACTS: Final[dict[str, type[BaseModel]]] = {"thesis": ThesisFacts}
"""Check → its published facts."""

_BLOCKERS: Final = {Thesis.EMPTY: THESIS_EMPTY(), Thesis.SUBMITTED: THESIS_SUBMITTED()}


def assess(record: ArchivesRecord) -> Assessment:
    blockers = [] if record.thesis is Thesis.APPROVED else [_BLOCKERS[record.thesis]]
    facts = ThesisFacts(thesis=record.thesis.value)
    return Assessment((check_status("thesis", blockers, facts.model_dump(mode="json")),))
