"""The only way a department's record changes: lock, one pure call, number what follows, store, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import asyncpg

from schemas.events import CaseChanged, CaseState, Reason, StatusChanged
from schemas.flows import source_of
from schemas.topics import Topics
from services.kit.audit import log
from services.kit.department.assessment import Assessment, next_status
from services.kit.department.idempotency import RequestKey, store_answer, stored_answer
from services.kit.department.rules import DepartmentRules, Record
from services.kit.messaging import outbox
from services.kit.messaging.outbox import Wakeup
from services.kit.operations import Held, Refused
from services.kit.postgres.pool import Connection
from services.kit.runtime.failpoints import failpoint

R = TypeVar("R", bound=Record)
Operate = Callable[[R], tuple[R, Reason]]

CASE_OPENED: Final = Reason(code="case-opened")
PUBLISHED_CASE_STATES: Final = frozenset({CaseState.OPEN, CaseState.COMPLETED})
"""A department speaks only of students who are leaving: of others nothing needs to travel."""


@dataclass(frozen=True, slots=True)
class AuditContext:
    """Who changes a record and what they call it, for the audit."""

    actor: str
    name: str


SYSTEM_CONTEXT: Final = AuditContext("system", "change")


@dataclass(frozen=True, slots=True)
class ChangeResult(Generic[R]):
    """What an operation led to. `status` is the student's newest status if this change made one."""

    record: R
    assessment: Assessment
    applied: bool
    status_version: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class LockedRecord(Generic[R]):
    """A student's row, locked for this transaction."""

    student_id: str
    record: R
    case_state: CaseState | None
    case_version: int
    previous: StatusChanged | None

    @property
    def version(self) -> int:
        return 0 if self.previous is None else self.previous.version


class Desk(Generic[R]):
    """The department's desk over its own database. Every method is one transaction or takes part in the caller's."""

    def __init__(self, rules: DepartmentRules[R], pool: "asyncpg.Pool[Any]", topics: Topics, bell: Wakeup) -> None:
        self.rules = rules
        self.pool = pool
        self.bell = bell
        self.source = source_of(rules.name)
        self._topic = topics.status(rules.name)

    async def change(
        self,
        student_id: str,
        operate: Operate[R],
        *,
        now: datetime,
        request: RequestKey | None = None,
        act: AuditContext = SYSTEM_CONTEXT,
    ) -> ChangeResult[R]:
        """Apply `operate` to the student's record, once for a request key; the audit tells of it as `act`.

        Raises what `operate` raises (`Refused`), `Held` while a submission is being decided and the change would take
        the pass away, `KeyReused` when the key came before with another body. Then nothing was changed.
        """
        try:
            return await self._change(student_id, operate, now, request, act)
        except (Refused, Held) as error:
            outcome, why = ("held", {}) if isinstance(error, Held) else ("refused", {"reason": error.reason.code})
            async with self.pool.acquire() as connection, connection.transaction():
                await log.append_entry(
                    connection, actor=act.actor, act=act.name, outcome=outcome, student_id=student_id, details=why
                )
            raise

    async def _change(
        self, student_id: str, operate: Operate[R], now: datetime, request: RequestKey | None, act: AuditContext
    ) -> ChangeResult[R]:
        async with self.pool.acquire() as connection:
            async with connection.transaction():
                if request is not None and (earlier := await stored_answer(connection, request)) is not None:
                    return self._repeated(earlier)
                changed = await self.change_in(connection, student_id, operate, now=now)
                await log.append_entry(
                    connection,
                    actor=act.actor,
                    act=act.name,
                    outcome="changed" if changed.applied else "unchanged",
                    student_id=student_id,
                    details={"version": changed.status_version, "clear": changed.assessment.clear},
                )
                if request is not None:
                    await store_answer(connection, request, _answer(changed))
                failpoint("desk.before_commit")
            failpoint("desk.after_commit")
        self.bell.ring()
        return changed

    async def change_in(
        self, connection: Connection, student_id: str, operate: Operate[R], *, now: datetime
    ) -> ChangeResult[R]:
        """As `change`, in the caller's transaction; the caller rings the bell after its commit."""
        locked = await self.lock(connection, student_id)
        record, cause = operate(locked.record)
        assessment = self.rules.assess(record)
        if record == locked.record:
            return ChangeResult(record, assessment, False, locked.version)
        if not assessment.clear and await self._held(connection, student_id):
            raise Held
        status = await self._save(connection, locked, record, assessment, cause, now)
        return ChangeResult(record, assessment, True, status.version if status else locked.version)

    async def open(self, connection: Connection, case: CaseChanged, *, now: datetime) -> None:
        """Take in the clearance's word on a case. A newly opened one gets a first status, whatever is on record."""
        locked = await self.lock(connection, case.student_id)
        if case.version <= locked.case_version:
            return
        await connection.execute(
            "UPDATE record SET case_state = $2, case_version = $3 WHERE student_id = $1",
            case.student_id,
            case.state,
            case.version,
        )
        opened = LockedRecord(case.student_id, locked.record, case.state, case.version, locked.previous)
        await self._save(connection, opened, locked.record, self.rules.assess(locked.record), CASE_OPENED, now)

    async def speak(
        self, connection: Connection, locked: LockedRecord[R], *, now: datetime
    ) -> tuple[Assessment, StatusChanged]:
        """The rules over the locked record as it is now, and the status that says so: the newest, or a new one.

        A student is spoken of here even if the word on the case is still on its way: the clearance asked.
        """
        assessment = self.rules.assess(locked.record)
        if locked.previous is not None and locked.previous.checks == assessment.checks:
            return assessment, locked.previous
        asked = replace(locked, case_state=CaseState.OPEN)
        status = await self._save(connection, asked, locked.record, assessment, CASE_OPENED, now)
        assert status is not None
        return assessment, status

    async def look(self, student_id: str) -> ChangeResult[R]:
        """The student's record as it is now, or the department's "nothing on record"."""
        row = await self.pool.fetchrow("SELECT body, status_version FROM record WHERE student_id = $1", student_id)
        record = self.rules.record.model_validate_json(row["body"]) if row else self.rules.record()
        return ChangeResult(record, self.rules.assess(record), False, row["status_version"] if row else 0)

    async def lock(self, connection: Connection, student_id: str) -> LockedRecord[R]:
        """Lock the student's row, making it exist first. Whatever is done to a student here goes through it."""
        row = await connection.fetchrow(_LOCK, student_id)
        if row is None:
            await connection.execute(
                "INSERT INTO record (student_id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                student_id,
                self.rules.record().model_dump_json(),
            )
            row = await connection.fetchrow(_LOCK, student_id)
            assert row is not None
        return LockedRecord(
            student_id,
            self.rules.record.model_validate_json(row["body"]),
            CaseState(row["case_state"]) if row["case_state"] else None,
            row["case_version"],
            StatusChanged.model_validate_json(row["status"]) if row["status"] else None,
        )

    async def _held(self, connection: Connection, student_id: str) -> bool:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM hold WHERE student_id = $1)", student_id))

    async def _save(
        self,
        connection: Connection,
        locked: LockedRecord[R],
        record: R,
        assessment: Assessment,
        cause: Reason,
        now: datetime,
    ) -> StatusChanged | None:
        status = None
        if locked.case_state in PUBLISHED_CASE_STATES:
            status = next_status(
                locked.previous,
                assessment,
                student_id=locked.student_id,
                department=self.rules.name,
                cause=cause,
                now=now,
            )
        await connection.execute(
            """
            UPDATE record SET body = $2, status_version = coalesce($3, status_version),
                              status = coalesce($4, status), updated_at = clock_timestamp()
            WHERE student_id = $1
            """,
            locked.student_id,
            record.model_dump_json(),
            status.version if status else None,
            status.model_dump_json() if status else None,
        )
        if status is not None:
            await outbox.append(
                connection, topic=self._topic, key=status.student_id, event=status, source=self.source, now=now
            )
        return status

    def _repeated(self, answer: dict[str, Any]) -> ChangeResult[R]:
        record = self.rules.record.model_validate_json(answer["record"])
        return ChangeResult(
            record, self.rules.assess(record), answer["applied"], answer["status_version"], repeated=True
        )


def _answer(changed: ChangeResult[Any]) -> dict[str, Any]:
    return {
        "record": changed.record.model_dump_json(),
        "applied": changed.applied,
        "status_version": changed.status_version,
    }


_LOCK: Final = """
    SELECT body, case_state, case_version, status FROM record WHERE student_id = $1 FOR UPDATE
"""
