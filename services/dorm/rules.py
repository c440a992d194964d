"""Clear with the dormitories: every residence is checked out. Pure."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from schemas.events import Reason
from services.kit.rules.assessment import Assessment, check_status
from services.kit.rules.department_rules import Record
from services.kit.rules.fields import Day, Item, ShortLine, distinct
from services.kit.rules.reasons import Blocker

MAX_RESIDENCES: Final = 20
ROOM: Final = ("campus", "building", "room")

NOT_CHECKED_OUT: Final = Blocker("not-checked-out", "count")
CHECK_OUT_INCOMPLETE: Final = Blocker("check-out-incomplete", "count")


class Residence(Item):
    """One per room ever lived in, as it was first written; moving in again reopens it."""

    campus: ShortLine
    building: ShortLine
    room: ShortLine
    checked_out_on: Day | None = None
    handler: ShortLine | None = None

    @property
    def checked_out(self) -> bool:
        return self.checked_out_on is not None and self.handler is not None


class DormRecord(Record):
    residences: Annotated[tuple[Residence, ...], Field(max_length=MAX_RESIDENCES), distinct(*ROOM)] = ()


class ResidenceRow(Item):
    campus: str
    building: str
    room: str
    checked_out_on: Annotated[str, Field(description="YYYY-MM-DD, or empty")]
    handler: str


class CheckOutFacts(Item):
    resident: Annotated[bool, Field(description="Whether the student ever lived on campus")]
    residences: Annotated[tuple[ResidenceRow, ...], Field(max_length=MAX_RESIDENCES)]


FACTS: Final[dict[str, type[BaseModel]]] = {"check-out": CheckOutFacts}
"""Check → its published facts."""


def assess(record: DormRecord) -> Assessment:
    facts = CheckOutFacts(
        resident=bool(record.residences),
        residences=tuple(_row(residence) for residence in record.residences),
    )
    return Assessment((check_status("check-out", _blockers(record), facts.model_dump(mode="json")),))


def _blockers(record: DormRecord) -> list[Reason]:
    open_ = [residence for residence in record.residences if not residence.checked_out]
    # A date without a handler, or the reverse, is the office's mistake: the student need not check out again.
    half = sum(residence.checked_out_on is not None or residence.handler is not None for residence in open_)
    reasons: list[Reason] = []
    if len(open_) > half:
        reasons.append(NOT_CHECKED_OUT(count=len(open_) - half))
    if half:
        reasons.append(CHECK_OUT_INCOMPLETE(count=half))
    return reasons


def _row(residence: Residence) -> ResidenceRow:
    return ResidenceRow(
        campus=residence.campus,
        building=residence.building,
        room=residence.room,
        checked_out_on=residence.checked_out_on.isoformat() if residence.checked_out_on else "",
        handler=residence.handler or "",
    )
