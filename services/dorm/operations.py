"""What a dormitory's desk does: assign a room, check a student out of it. Pure; a repeated act changes nothing."""

from pydantic import ConfigDict

from schemas.events import Reason
from services.dorm.rules import MAX_RESIDENCES, DormRecord, Residence, assess
from services.kit.department.fields import Day, ImportRow, ShortLine
from services.kit.department.rules import DepartmentRules, Operation
from services.kit.operations import OperationBody, Refused


class AssignBody(OperationBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"student_id": "TS20260001", "campus": "南湖校区", "building": "梅苑1楼", "room": "A3071"}]
        }
    )

    campus: ShortLine
    building: ShortLine
    room: ShortLine


class CheckOutBody(AssignBody):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "student_id": "TS20260001",
                    "campus": "南湖校区",
                    "building": "梅苑1楼",
                    "room": "A3071",
                    "checked_out_on": "2026-06-05",
                    "handler": "周管理",
                }
            ]
        }
    )

    checked_out_on: Day
    handler: ShortLine


class DormRow(ImportRow):
    """One row of an export: one residence as it stands; without date or handler it is open.

    The same row again changes nothing. A residence no row speaks of stays as it is.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"student_id": "TS20260001", "campus": "南湖校区", "building": "梅苑1楼", "room": "A3071"},
                {
                    "student_id": "TS20260001",
                    "campus": "南湖校区",
                    "building": "梅苑1楼",
                    "room": "A3071",
                    "checked_out_on": "2026-06-05",
                    "handler": "周管理",
                },
            ]
        }
    )

    campus: ShortLine
    building: ShortLine
    room: ShortLine
    checked_out_on: Day | None = None
    handler: ShortLine | None = None


def assign(record: DormRecord, body: AssignBody) -> tuple[DormRecord, Reason]:
    residence = Residence(campus=body.campus, building=body.building, room=body.room)
    return _with(record, residence), Reason(code="room-assigned", parameters=_place(residence))


def check_out(record: DormRecord, body: CheckOutBody) -> tuple[DormRecord, Reason]:
    residence = _residence(body)
    known = _known(record, residence)
    if known is None:
        remedy = "Check campus, building and room; assign the room first if it is missing."
        raise Refused(Reason(code="residence-unknown"), field="room", remedy=remedy)
    if known.checked_out and known != residence:
        raise Refused(
            Reason(code="already-checked-out"),
            field="checked_out_on",
            remedy="To correct the date or the handler, import the residence or put the record.",
        )
    return _with(record, residence), Reason(code="checked-out", parameters=_place(residence))


def apply_row(record: DormRecord, row: DormRow) -> tuple[DormRecord, Reason]:
    """The record as the row says it is; the very same record when the row says nothing new."""
    return _with(record, _residence(row)), Reason(code="row-imported")


def _residence(said: CheckOutBody | DormRow) -> Residence:
    return Residence(
        campus=said.campus,
        building=said.building,
        room=said.room,
        checked_out_on=said.checked_out_on,
        handler=said.handler,
    )


def _known(record: DormRecord, residence: Residence) -> Residence | None:
    return next((known for known in record.residences if known.place == residence.place), None)


def _with(record: DormRecord, residence: Residence) -> DormRecord:
    known = _known(record, residence)
    if known == residence:
        return record
    if known is not None:
        changed = tuple(residence if other is known else other for other in record.residences)
        return record.model_copy(update={"residences": changed})
    if len(record.residences) >= MAX_RESIDENCES:
        reason = Reason(code="record-full", parameters={"limit": MAX_RESIDENCES})
        raise Refused(reason, remedy="Put the record again without residences of long ago.")
    return record.model_copy(update={"residences": (*record.residences, residence)})


def _place(residence: Residence) -> dict[str, str | int]:
    return {"building": residence.building, "room": residence.room}


RULES = DepartmentRules(
    name="dorm",
    record=DormRecord,
    assess=assess,
    operations=(
        Operation("assign", "Assign a room; a room checked out before is open again", AssignBody, assign),
        Operation("check-out", "Check a student out of a room, with date and handler", CheckOutBody, check_out),
    ),
    import_row=DormRow,
    apply_row=apply_row,
)
