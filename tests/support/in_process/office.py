"""A department's lists, imports and questions in one process: its loops, and what its clerks do."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.department.evidence import coverage, questions
from services.kit.department.loops.reassessment import Reassessment
from services.kit.imports.files.formats import Format
from services.kit.imports.files.problems import Unimportable
from services.kit.imports.upload import Uploads
from services.kit.imports.worker import HoldRetry, ImportWorker
from services.kit.manifests import DepartmentManifest
from services.kit.messaging.outbox import Wakeup

CLERK = "clerk"
HOLD_RETRY = HoldRetry(first_delay_s=0.05, longest_delay_s=0.2)


class Office:
    """`loops` are to be run; the rest is what the department's HTTP side calls."""

    def __init__(self, desk: Desk[Any], manifest: DepartmentManifest) -> None:
        self._desk = desk
        self._uploaded, changed = Wakeup(), Wakeup()
        self.acts = EvidenceActs(desk, changed)
        spec = department_import(desk, manifest, evidence=self.acts)
        self._uploads = Uploads(spec, desk.pool, lambda: datetime.now(UTC))
        self.loops: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
            ImportWorker(spec, desk.pool, self._uploaded, hold_retry=HOLD_RETRY).run,
            Reassessment(desk, changed).run,
        )

    async def declare(self, cohort: str) -> None:
        now = datetime.now(UTC)
        await self.acts.declare(cohort=cohort, checks=self._desk.rules.checks, as_of=now, by=CLERK, now=now)

    async def withdraw(self, cohort: str) -> None:
        async with self._desk.pool.acquire() as connection:
            loads, _ = await coverage.latest(connection, valid=True, before=None, limit=100)
        for load in loads:
            if load.cohort == cohort:
                await self.acts.withdraw(load.load_id, by=CLERK, reason="not whole", now=datetime.now(UTC))

    async def send_file(self, content: str, covers: str) -> None:
        with suppress(Unimportable):
            await self._uploads.accept(Format.CSV, content.encode(), CLERK, covers=(covers,) if covers else ())
        self._uploaded.notify()

    async def end_questions(self, student_id: str) -> None:
        async with self._desk.pool.acquire() as connection:
            found, _ = await questions.latest(connection, open_only=True, before=None, limit=100)
        for one in found:
            if one.student_id == student_id:
                await self.acts.end_question(one.question_id, by=CLERK, reason="looked into", now=datetime.now(UTC))
