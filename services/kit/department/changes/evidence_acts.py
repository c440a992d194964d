"""What staff and imports say of a department's own knowledge: complete lists, refused rows and files.

Each is one audited transaction; statuses that rest on it follow by `loops.reassessment`.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from services.kit.audit import log
from services.kit.department.desk import Desk
from services.kit.department.evidence import coverage, questions
from services.kit.department.evidence.coverage import CoveringLoad
from services.kit.department.evidence.questions import Question
from services.kit.http.requests.instants import CLOCKS_DIFFER
from services.kit.imports.spec import CoveringFile, RefusedFile, RefusedRow
from services.kit.messaging.outbox import Wakeup
from services.kit.postgres.pool import Connection
from services.kit.rules.reasons import QUESTION_CLOSED, QUESTION_OPENED
from services.kit.student_numbers import Standing

EVERYBODY: Final = "*"
"""In place of a cohort."""


class EvidenceActs:
    """`changed` wakes the reassessment. Methods with a connection take part in the caller's transaction."""

    def __init__(self, desk: Desk[Any], changed: Wakeup) -> None:
        self._desk = desk
        self._changed = changed

    async def declare(
        self, *, cohort: str | None, checks: frozenset[str], as_of: datetime, by: str, now: datetime
    ) -> tuple[CoveringLoad, bool]:
        """The load, and whether it is new: a valid one that says the same is found again."""
        async with self._desk.pool.acquire() as connection, connection.transaction():
            await coverage.begin_change(connection)
            known = await coverage.find_valid(connection, cohort=cohort, checks=checks, as_of=as_of)
            if known is not None:
                return known, False
            load = await coverage.declare(
                connection, uuid4(), cohort=cohort, checks=checks, as_of=as_of, by=by, now=now
            )
            assert load is not None
            await self._append(connection, by, "coverage.declare", "declared", _details(load))
        self._changed.notify()
        return load, True

    async def withdraw(self, load_id: UUID, *, by: str, reason: str, now: datetime) -> CoveringLoad | None:
        """None for an unknown load; one withdrawn before stays as it is.

        Questions that only this list answered are open again. Two transactions, because others lock a record first and
        the coverage then.
        """
        withdrawn: CoveringLoad | None = None
        while withdrawn is None:
            async with self._desk.pool.acquire() as connection:
                async with connection.transaction():
                    load = await coverage.lock_load(connection, load_id)
                    if load is None or load.withdrawn_at is not None:
                        return load
                    await questions.reopen_covered(connection, load_id, of_students=True)
                async with connection.transaction():
                    load = await coverage.lock_load(connection, load_id)
                    assert load is not None
                    if load.withdrawn_at is not None:
                        return load
                    if await questions.closed_about_students(connection, load_id):
                        continue  # by the load's own job, in between
                    await coverage.begin_change(connection)
                    await questions.reopen_covered(connection, load_id, of_students=False)
                    withdrawn = await coverage.withdraw(connection, load_id, by=by, reason=reason, now=now)
                    await self._append(connection, by, "coverage.withdraw", "withdrawn", _details(withdrawn))
        self._changed.notify()
        return withdrawn

    async def end_question(self, question_id: int, *, by: str, reason: str, now: datetime) -> Question | None:
        """None for an unknown question; one closed before stays as it is."""
        async with self._desk.pool.acquire() as connection, connection.transaction():
            known = await questions.find(connection, question_id)
            if known is None:
                return None
            if known.student_id is None:
                await coverage.begin_change(connection)
                ended = await questions.end(connection, question_id, by=by, reason=reason, now=now)
            else:
                locked = await self._desk.lock(connection, known.student_id)
                ended = await questions.end(connection, question_id, by=by, reason=reason, now=now)
                if ended:
                    answered = replace(locked, open_questions=locked.open_questions - 1)
                    await self._desk.store(connection, answered, cause=QUESTION_CLOSED(), now=now)
            if ended:
                details = {"question": question_id, "job": known.job_id, "row": known.row}
                await self._append(connection, by, "question.end", "ended", details, student_id=known.student_id)
            known = await questions.find(connection, question_id)
        self._desk.wakeup.notify()
        self._changed.notify()
        return known

    async def row_refused(self, connection: Connection, row: RefusedRow, now: datetime) -> Standing:
        """Opens a question about the row's student."""
        if row.source.batch is not None:
            await row.source.batch.forget(connection, row.student_id)
        locked = await self._desk.lock(connection, row.student_id)
        items = self._desk.rules.items(row.cells) if row.ids_readable else frozenset()
        # When the row was true is unknown: the corrected one may say any instant, and settles the question.
        as_of = None if row.as_of is None or row.as_of > now + CLOCKS_DIFFER else row.as_of
        if not await questions.open_about_row(connection, row, items=items or None, as_of=as_of, now=now):
            return locked.standing
        questioned = replace(locked, open_questions=locked.open_questions + 1)
        await self._desk.store(connection, questioned, cause=QUESTION_OPENED(), now=now)
        return locked.standing

    async def file_refused(self, file: RefusedFile, now: datetime) -> None:
        """Opens a question on the coverage the file would have given."""
        async with self._desk.pool.acquire() as connection, connection.transaction():
            await coverage.begin_change(connection)
            cohort = file.covers[0] if len(file.covers) == 1 and file.covers[0] != EVERYBODY else None
            if await questions.open_about_file(connection, file, cohort, now=now):
                details = {"sha256": file.sha256.hex(), "cohort": cohort}
                await self._append(connection, file.sent_by, f"import.{self._desk.rules.name}", "refused", details)
        self._changed.notify()

    async def covered(self, connection: Connection, file: CoveringFile, now: datetime) -> bool:
        """A file that was read whole covers the cohorts it is for, in the checks that its columns are about.

        Repeating this is harmless. Two transactions, because others lock a record first and the coverage then.
        """
        job_id, by = file.source.job_id, file.source.sent_by
        checks = self._desk.rules.checks_of_file(file.fields)
        if not checks:
            return False
        for covered in file.covers:
            cohort, load_id = None if covered == EVERYBODY else covered, uuid5(job_id, covered)
            async with connection.transaction():
                await coverage.begin_change(connection)
                load = await coverage.declare(
                    connection,
                    load_id,
                    cohort=cohort,
                    checks=checks,
                    as_of=file.as_of,
                    by=by,
                    now=now,
                    job_id=job_id,
                )
                if load is not None:
                    await self._append(connection, by, "coverage.declare", "declared", _details(load))
            if checks != self._desk.rules.checks:
                continue  # a question may be about another check
            async with connection.transaction():
                await questions.close_covered(
                    connection, load_id, cohort, as_of=file.as_of, job_id=job_id, by=by, now=now
                )
        self._changed.notify()
        return True

    async def _append(
        self,
        connection: Connection,
        actor: str,
        act: str,
        outcome: str,
        details: dict[str, Any],
        student_id: str | None = None,
    ) -> None:
        await log.append_entry(
            connection, actor=actor, act=act, outcome=outcome, student_id=student_id, details=details
        )


def _details(load: CoveringLoad) -> dict[str, Any]:
    return {
        "load": load.load_id,
        "cohort": load.cohort,
        "checks": list(load.checks),
        "as_of": load.as_of.isoformat(),
        "job": load.job_id,
        "reason": load.withdrawn_reason,
    }
