"""What a department's desk answers, as far as its pages show it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from schemas.events import CheckStatus
from services.kit.student_numbers import Standing


class DeskAnswer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class DeskRecord(DeskAnswer):
    """`record` is the department's own."""

    student_id: str
    applied: bool
    clear: bool
    standing: Standing
    checks: tuple[CheckStatus, ...]
    record: dict[str, Any]


class DeskOperation(DeskAnswer):
    """`body`: JSON Schema. `of_item`: it names an item and no student."""

    name: str
    summary: str
    of_item: bool
    body: dict[str, Any]


class HistoryEntry(DeskAnswer):
    """`reason`: why something was taken back, of the entry that did."""

    entry_id: int
    at: datetime
    actor: str
    act: str
    outcome: str
    details: dict[str, Any]
    undo: Literal["offered", "undone", "moved-on", "not-offered"] = "not-offered"
    reason: str | None = None


class History(DeskAnswer):
    entries: tuple[HistoryEntry, ...]


class Note(DeskAnswer):
    text: str
    written_by: str
    written_at: datetime


class Notes(DeskAnswer):
    notes: tuple[Note, ...]


operation_list: TypeAdapter[tuple[DeskOperation, ...]] = TypeAdapter(tuple[DeskOperation, ...])
