"""Table `record`: a student's record, case state and newest status."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import asyncpg

from schemas.events import CaseState, Reason, StatusChanged
from services.kit.messaging import outbox
from services.kit.postgres.pool import Connection
from services.kit.rules.assessment import Assessment, next_status
from services.kit.rules.department_rules import DepartmentRules, Record
from services.kit.rules.fields import STORED

R = TypeVar("R", bound=Record)

PUBLISHED_CASE_STATES: Final = frozenset({CaseState.OPEN, CaseState.COMPLETED})
"""Students in other states are not leaving."""


@dataclass(frozen=True, slots=True)
class LockedRecord(Generic[R]):
    student_id: str
    record: R
    case_state: CaseState | None
    case_version: int
    previous: StatusChanged | None

    @property
    def status_version(self) -> int:
        return 0 if self.previous is None else self.previous.version


class RecordStore(Generic[R]):
    """Methods but `read` take part in the caller's transaction."""

    def __init__(self, rules: DepartmentRules[R], *, topic: str, source: str) -> None:
        self._rules = rules
        self._topic = topic
        self._source = source

    async def lock(self, connection: Connection, student_id: str) -> LockedRecord[R]:
        """Creates a missing row."""
        row = await connection.fetchrow(_LOCK, student_id)
        if row is None:
            await connection.execute(
                "INSERT INTO record (student_id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                student_id,
                self._rules.record().model_dump_json(),
            )
            row = await connection.fetchrow(_LOCK, student_id)
            assert row is not None
        return LockedRecord(
            student_id,
            self._rules.record.model_validate_json(row["body"], context=STORED),
            CaseState(row["case_state"]) if row["case_state"] else None,
            row["case_version"],
            StatusChanged.model_validate_json(row["status"]) if row["status"] else None,
        )

    async def read(self, pool: "asyncpg.Pool[Any]", student_id: str) -> tuple[R, int]:
        """Record and status version, unlocked; empty for an unknown student."""
        row = await pool.fetchrow("SELECT body, status_version FROM record WHERE student_id = $1", student_id)
        if row is None:
            return self._rules.record(), 0
        return self._rules.record.model_validate_json(row["body"], context=STORED), row["status_version"]

    async def save_case(
        self, connection: Connection, locked: LockedRecord[R], state: CaseState, version: int
    ) -> LockedRecord[R]:
        await connection.execute(
            "UPDATE record SET case_state = $2, case_version = $3 WHERE student_id = $1",
            locked.student_id,
            state,
            version,
        )
        return replace(locked, case_state=state, case_version=version)

    async def save(
        self,
        connection: Connection,
        locked: LockedRecord[R],
        record: R,
        assessment: Assessment,
        *,
        cause: Reason,
        now: datetime,
    ) -> StatusChanged | None:
        """Returns and publishes the new status, unless it repeats the last."""
        status = None
        if locked.case_state in PUBLISHED_CASE_STATES:
            status = next_status(
                locked.previous,
                assessment,
                student_id=locked.student_id,
                department=self._rules.name,
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
                connection, topic=self._topic, key=status.student_id, event=status, source=self._source, now=now
            )
        return status


_LOCK: Final = "SELECT body, case_state, case_version, status FROM record WHERE student_id = $1 FOR UPDATE"
