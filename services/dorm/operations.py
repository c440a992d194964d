"""The dormitories' desk: assign a room, check out of it. Pure; repeats change nothing."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.events import Reason
from services.kit.operations import OperationBody, Refused, Remedy
from services.kit.rules.collections import find_by_key, replace_by_key
from services.kit.rules.department_rules import DepartmentRules, Operation
from services.kit.rules.evidence import item
from services.kit.rules.fields import Day, ShortLine
from services.kit.rules.reasons import Cause, Refusal
from services.kit.rules.undo import Undo

from .import_row import DormRow, apply_row
from .rules import MAX_RESIDENCES, ROOM, DormRecord, Residence, assess

ROOM_ASSIGNED: Final = Cause("room-assigned", "building", "room")
CHECKED_OUT: Final = Cause("checked-out", "building", "room")
RESIDENCE_UNKNOWN: Final = Refusal("residence-unknown")
ALREADY_CHECKED_OUT: Final = Refusal("already-checked-out")


class AssignBody(OperationBody):
    campus: ShortLine
    building: ShortLine
    room: ShortLine


class CheckOutBody(AssignBody):
    checked_out_on: Day
    handler: ShortLine


def assign(record: DormRecord, body: AssignBody) -> tuple[DormRecord, Reason]:
    residence = Residence(campus=body.campus, building=body.building, room=body.room)
    residences = replace_by_key(record.residences, residence, *ROOM, limit=MAX_RESIDENCES)
    return record.updated(residences=residences), ROOM_ASSIGNED(building=body.building, room=body.room)


def check_out(record: DormRecord, body: CheckOutBody) -> tuple[DormRecord, Reason]:
    known = find_by_key(record.residences, campus=body.campus, building=body.building, room=body.room)
    if known is None:
        remedy = Remedy(
            "请核对校区、楼宇和房间号；如尚未登记入住，请先登记。",
            "Check campus, building and room; assign the room first if it is missing.",
        )
        raise Refused(RESIDENCE_UNKNOWN(), field="room", remedy=remedy)
    residence = known.model_copy(update={"checked_out_on": body.checked_out_on, "handler": body.handler})
    if known.checked_out and known != residence:
        remedy = Remedy(
            "如需更正日期或办理人，请导入该住宿或更新记录。",
            "To correct the date or the handler, import the residence or replace the record.",
        )
        raise Refused(ALREADY_CHECKED_OUT(), field="checked_out_on", remedy=remedy)
    residences = replace_by_key(record.residences, residence, *ROOM, limit=MAX_RESIDENCES)
    return record.updated(residences=residences), CHECKED_OUT(building=body.building, room=body.room)


def residence_item(fields: Mapping[str, Any]) -> frozenset[str]:
    return item("residence", *(fields.get(name) for name in ("campus", "building", "room")))


_RESIDENCE: Final[Undo[DormRecord]] = Undo("residences", ROOM)

RULES = DepartmentRules(
    __name__,
    record=DormRecord,
    assess=assess,
    operations=(
        Operation("assign", "Assign a room, or reopen one that was checked out", AssignBody, assign, undo=_RESIDENCE),
        Operation("check-out", "Check a student out of a room", CheckOutBody, check_out, undo=_RESIDENCE),
    ),
    import_row=DormRow,
    apply_row=apply_row,
    items=residence_item,
)
