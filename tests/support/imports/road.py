"""The import road of one department: a file in, the line of the student's page out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from schemas.events import CaseChanged, CaseState, StatusChanged
from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.view_model import CheckView
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import known_status
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.changes.imports import department_import, import_headings
from services.kit.department.desk import Desk
from services.kit.department.loops.reassessment import Reassessment
from services.kit.imports.files.formats import Format
from services.kit.imports.files.problems import Unimportable
from services.kit.imports.sources.folder import FOLDER, load_sources
from services.kit.imports.upload import Uploads
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import SERVICES, discover
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from tests.support.departments.desks import desk_over
from tests.support.imports.department import student
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

COHORT = "2026"


class Road:
    def __init__(self, desk: Desk[Any]) -> None:
        self.desk = desk
        self.acts = EvidenceActs(desk, Wakeup())
        manifest = discover()[desk.rules.name]
        row = desk.rules.import_row
        sources = load_sources([SERVICES / desk.rules.name / FOLDER], row, import_headings(manifest, row))
        spec = department_import(desk, manifest, sources=sources, evidence=self.acts)
        self._uploads = Uploads(spec, desk.pool, lambda: datetime.now(UTC))
        self._worker = ImportWorker(spec, desk.pool, Wakeup())
        self._reassessment = Reassessment(desk, Wakeup())

    async def leaving(self, student_id: str = "") -> str:
        student_id, now = student_id or student(), datetime.now(UTC)
        case = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=now, cohort=COHORT)
        async with self.desk.pool.acquire() as connection, connection.transaction():
            await self.desk.apply_cases(connection, [Received(case)], now=now)
        return student_id

    async def cover(self) -> None:
        now = datetime.now(UTC)
        await self.acts.declare(cohort=COHORT, checks=self.desk.rules.checks, as_of=now, by="desk", now=now)
        await self._settle()

    async def send(self, content: bytes | str, kind: Format = Format.CSV, *, covers: str = "") -> tuple[int, int, int]:
        """How many rows were applied, unchanged and rejected, at the end of the job. Raises `Unimportable`."""
        data = content.encode() if isinstance(content, str) else content
        try:
            job = await self._uploads.accept(kind, data, "desk", covers=(covers,) if covers else ())
        except Unimportable:
            await self._settle()
            raise
        await self._worker.work()
        await self._settle()
        row = await self.desk.pool.fetchrow(
            "SELECT applied, unchanged, rejected FROM import_job WHERE job_id = $1", job.job_id
        )
        assert row is not None
        return row["applied"], row["unchanged"], row["rejected"]

    async def line(self, student_id: str, check: str = "") -> CheckView:
        """The line of the student's page, from the newest published status."""
        name = self.desk.rules.name
        text = await self.desk.pool.fetchval("SELECT status FROM record WHERE student_id = $1", student_id)
        assert text is not None, "the department has published nothing"
        clear = case_samples.clear()
        received = replace(clear.statuses[name], status=known_status(StatusChanged.model_validate_json(text)))
        snapshot = replace(clear, statuses={**clear.statuses, name: received})
        page = present(ViewContext(site(), catalogue("zh"), NOW), case_progress(snapshot, (), site(), NOW))
        lines = [line for group in page.groups for line in group.lines if line.department == name]
        (found,) = [line for line in lines if not check or line.anchor.endswith(check)]
        return found

    async def _settle(self) -> None:
        while await self._reassessment.batch():
            pass


@asynccontextmanager
async def import_road(database: str, department: str) -> AsyncIterator[Road]:
    """Without any list: the department knows of nobody yet."""
    async with desk_over(database, department, covered=False) as desk:
        yield Road(desk)
