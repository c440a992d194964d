"""Requests at a desk: each is audited, and one with an idempotency key has one effect and answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from schemas.events import CheckStatus
from services.kit.audit import log
from services.kit.department.desk import SYSTEM, ChangeResult, Desk, Operate
from services.kit.department.tables import waiting_changes
from services.kit.department.tables.done_operations import DoneColumns, done_columns
from services.kit.department.tables.holders import holders
from services.kit.department.tables.idempotency import stored_answer
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.operations import Held, ItemBody, Refused, StillReading
from services.kit.postgres.pool import Connection
from services.kit.rules.assessment import Assessment
from services.kit.rules.department_rules import Claim, DepartmentRules, HolderOperation, N, Operation, Record
from services.kit.rules.evidence import EVERY_CHECK, ActEvidence
from services.kit.rules.instants import Outdated
from services.kit.rules.visible_text import STORED
from services.kit.runtime.failpoints import failpoint
from services.kit.student_numbers import Standing

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class AuditContext:
    """`act`: what the audit records, as `desk.payment`."""

    actor: str
    act: str


NO_DETAILS: Final[Mapping[str, Any]] = {}
Remember = Callable[[str, ChangeResult[R]], DoneColumns | None]
AndThen = Callable[[Connection, ChangeResult[R], int], Awaitable[None]]
SYSTEM_CONTEXT: Final = AuditContext(SYSTEM, "change")


async def change_record(
    desk: Desk[R],
    student_id: str,
    operate: Operate[R],
    *,
    now: datetime,
    key: IdempotencyKey | None = None,
    audit: AuditContext = SYSTEM_CONTEXT,
    evidence: ActEvidence = EVERY_CHECK,
    as_of: datetime | None = None,
    claim: Claim | None = None,
    details: Mapping[str, Any] = NO_DETAILS,
    remember: Remember[R] | None = None,
    and_then: AndThen[R] | None = None,
) -> ChangeResult[R]:
    """Apply `operate` and audit it, with `details`, once for a key.

    `as_of`: when it was true, now without it. `claim`: what no other student may hold. `remember`: what of it can be
    taken back. `and_then`: in the transaction of what was applied, with its audit entry.

    Raises, with nothing changed, what `operate` raises (`Refused`), `Held` while a submission is being decided,
    `StillReading`, `Outdated` and `KeyReused`.
    """
    try:
        async with desk.pool.acquire() as connection, connection.transaction():
            request = await desk.begin_request(connection, student_id, evidence, key)
            if request.answer is not None:
                return _repeated(desk, request.answer)
            result = await desk.change_in(
                connection,
                student_id,
                operate,
                now=now,
                evidence=evidence,
                by=audit.actor,
                as_of=as_of,
                refuse_unknown=desk.refuse_unknown,
                claim=claim,
                batch=request,
            )
            known = {"version": result.status_version, "clear": result.assessment.clear, **details}
            outcome = "changed" if result.applied else "unchanged"
            done = remember(student_id, result) if remember is not None and result.applied else None
            if done is None and request.by_operation:
                await desk.vouch(connection, student_id, evidence)
            entry_id = await request.write(
                connection,
                log.entry_columns(
                    actor=audit.actor, act=audit.act, outcome=outcome, student_id=student_id, details=known
                ),
                done=done,
                answer=_answer(student_id, result) if key is not None else None,
            )
            if and_then is not None and result.applied:
                await and_then(connection, result, entry_id)
            failpoint("desk.before_commit")
        failpoint("desk.after_commit")
    except (Refused, Held, Outdated) as error:
        await _note_refusal(desk, student_id, error, audit, details)
        raise
    desk.wakeup.notify()
    return result


async def _note_refusal(
    desk: Desk[R],
    student_id: str,
    error: Refused | Held | Outdated,
    audit: AuditContext,
    details: Mapping[str, Any],
) -> None:
    """In a transaction of its own, for the change was rolled back."""
    outcome, why = "held" if isinstance(error, Held) else type(error).__name__.lower(), dict(details)
    if isinstance(error, Refused):
        why["reason"] = error.reason.code
    async with desk.pool.acquire() as connection, connection.transaction():
        # While it reads, it must give the answers again that it has given: no change waits yet.
        if isinstance(error, Held) and not isinstance(error, StillReading):
            await waiting_changes.note(connection, student_id, error.blocked)
        await log.append_entry(
            connection, actor=audit.actor, act=audit.act, outcome=outcome, student_id=student_id, details=why
        )


async def change_of_holder(
    desk: Desk[R], operation: HolderOperation[R, N], body: N, *, now: datetime, key: IdempotencyKey, audit: AuditContext
) -> tuple[str, ChangeResult[R]]:
    """Apply an operation to the one student who holds the item, once for the key; raises as `change_record` does."""
    items = desk.rules.items(body.model_dump())
    async with desk.pool.acquire() as connection, connection.transaction():
        answer = await stored_answer(connection, key)
        if answer is not None:
            return answer["student_id"], _repeated(desk, answer)
        found = await holders(connection, items)
        refused = None if len(found) == 1 else operation.not_one(len(found))
        if refused is not None:
            why = {"reason": refused.reason.code}
            await log.append_entry(connection, actor=audit.actor, act=audit.act, outcome="refused", details=why)
    if refused is not None:
        raise refused
    evidence = ActEvidence(operation.checks, items)
    result = await change_record(
        desk,
        found[0],
        lambda record: operation.apply(record, body),
        now=now,
        key=key,
        audit=audit,
        evidence=evidence,
        remember=remembered(desk.rules, operation, body),
    )
    return found[0], result


def remembered(
    rules: DepartmentRules[R], operation: Operation[R, Any] | HolderOperation[R, Any], body: ItemBody
) -> Remember[R] | None:
    """What it changed is kept, so that the office can take it back; None for one that it cannot."""
    undo = operation.undo
    if undo is None:
        return None
    names = undo.names(body)
    checks = rules.checks if operation.checks is None else operation.checks

    def changed(student_id: str, result: ChangeResult[R]) -> DoneColumns | None:
        assert result.before is not None
        before, after = undo.of(result.before, names), undo.of(result.record, names)
        if before == after:
            return None
        return done_columns(
            student_id,
            operation.name,
            names,
            before=before,
            after=after,
            checks=checks,
            gained=result.gained,
            settled=result.settled > 0,
        )

    return changed


def _repeated(desk: Desk[R], answer: dict[str, Any]) -> ChangeResult[R]:
    record = desk.rules.record.model_validate_json(answer["record"], context=STORED)
    checks = tuple(CheckStatus.model_validate(check) for check in answer.get("checks", ()))
    # Answers stored before checks were kept rest on the record alone.
    assessment = Assessment(checks) if checks else desk.rules.assess(record)
    standing = Standing(answer.get("standing", Standing.UNKNOWN))
    return ChangeResult(record, assessment, answer["applied"], answer["status_version"], standing, repeated=True)


def _answer(student_id: str, result: ChangeResult[Any]) -> dict[str, Any]:
    return {
        "student_id": student_id,
        "record": result.record.model_dump_json(),
        "checks": [check.model_dump(mode="json") for check in result.assessment.checks],
        "applied": result.applied,
        "status_version": result.status_version,
        "standing": result.standing,
    }
