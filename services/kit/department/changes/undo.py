"""Taking back an operation at a desk: a change of its own, which the audit names as the undo of an entry."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from schemas.events import Reason
from services.kit.department.changes.requests import AuditContext, change_record
from services.kit.department.desk import ChangeResult, Desk
from services.kit.department.tables.done_operations import (
    DoneOperation,
    done_operations,
    hand_evidence_on,
    mark_undone,
)
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.operations import Refused
from services.kit.postgres.pool import Connection
from services.kit.rules.department_rules import Claim, DepartmentRules, HolderOperation, Operation, Record
from services.kit.rules.evidence import ActEvidence
from services.kit.rules.reasons import TAKEN_BACK
from services.kit.rules.undo import NOT_OFFERED, SETTLED_A_QUESTION, TAKEN_BACK_BEFORE, Undo

R = TypeVar("R", bound=Record)
UNDO: Final = "desk.undo"
UndoState = Literal["offered", "undone", "moved-on", "not-offered"]


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """Of the operation whose audit entry is `entry_id`. `reason`: kept beside the record, not in the audit."""

    student_id: str
    entry_id: int
    reason: str


async def take_back(
    desk: Desk[R], request: UndoRequest, *, now: datetime, key: IdempotencyKey, actor: str
) -> ChangeResult[R]:
    """Raises as `change_record` does."""
    while True:
        async with desk.pool.acquire() as connection:
            kept = await done_operations(connection, request.student_id)
        try:
            return await _take_back(desk, request, kept, now=now, key=key, actor=actor)
        except _SpokenMeanwhile:
            continue


class _SpokenMeanwhile(Exception):
    """What the evidence rests on was changed before the student's record was locked."""


async def _take_back(
    desk: Desk[R],
    request: UndoRequest,
    kept: list[DoneOperation],
    *,
    now: datetime,
    key: IdempotencyKey,
    actor: str,
) -> ChangeResult[R]:
    """`kept`: what was done, read without a lock."""
    done = next((one for one in kept if one.entry_id == request.entry_id), None)
    operation = _operation(desk.rules, done)
    undo = operation.undo if operation else None
    later = _later_word(done, kept)

    def operate(record: R) -> tuple[R, Reason]:
        if done is None or undo is None:
            raise Refused(NOT_OFFERED())
        if done.undo_entry_id is not None:
            raise Refused(TAKEN_BACK_BEFORE())
        if done.settled:
            raise Refused(SETTLED_A_QUESTION())
        return undo.take_back(record, done.names, before=done.before, after=done.after), TAKEN_BACK()

    async def marked(connection: Connection, result: ChangeResult[R], entry_id: int) -> None:
        assert done is not None
        if await done_operations(connection, request.student_id) != kept:
            raise _SpokenMeanwhile
        if not await mark_undone(connection, done, undo_entry_id=entry_id, reason=request.reason):
            raise Refused(TAKEN_BACK_BEFORE())
        if later is not None:
            await hand_evidence_on(connection, later.entry_id, done.gained & later.checks)

    items = desk.rules.items(done.names) | getattr(operation, "items", frozenset()) if done else frozenset()
    gained = done.gained - (later.checks if later else frozenset()) if done else frozenset()
    return await change_record(
        desk,
        request.student_id,
        operate,
        now=now,
        key=key,
        audit=AuditContext(actor, UNDO),
        evidence=ActEvidence(checks=frozenset(), items=items, settles=False, withdraws=gained),
        claim=Claim(items, undo.taken()) if undo and undo.taken else None,
        details={"undoes": request.entry_id, **({"operation": done.operation} if done else {})},
        and_then=marked,
    )


def undo_state(rules: DepartmentRules[R], record: R, done: DoneOperation) -> UndoState:
    """`undone`, `moved-on` when what it changed was changed again, else `offered`."""
    operation = _operation(rules, done)
    undo: Undo[Any] | None = operation.undo if operation else None
    if done.undo_entry_id is not None:
        return "undone"
    if undo is None or done.settled:
        return "not-offered"
    return "offered" if undo.of(record, done.names) == done.after else "moved-on"


def _operation(
    rules: DepartmentRules[R], done: DoneOperation | None
) -> Operation[R, Any] | HolderOperation[R, Any] | None:
    every: tuple[Operation[R, Any] | HolderOperation[R, Any], ...] = (*rules.operations, *rules.holder_operations)
    return next((one for one in every if done is not None and one.name == done.operation), None)


def _later_word(done: DoneOperation | None, kept: list[DoneOperation]) -> DoneOperation | None:
    """The next operation that stands and speaks of a check of which `done` was the first word."""
    if done is None:
        return None
    later = [one for one in kept if one.entry_id > done.entry_id and one.undo_entry_id is None]
    return next((one for one in reversed(later) if one.checks & done.gained), None)
