"""The finance office without a complete list: its desk over HTTP, its imports and its reassessment."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from schemas.events import CaseChanged, CaseState, CheckStatus, StatusChanged, SubmissionRefused, SubmissionRequested
from schemas.topics import Topics
from services.kit.department.api.desk_routes import desk_router
from services.kit.department.api.evidence_routes import evidence_router
from services.kit.department.changes.evidence_acts import EvidenceActs
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.department.loops.reassessment import Reassessment
from services.kit.department.rounds.attestation import Attestations
from services.kit.http.app import create_app
from services.kit.imports.api import imports_router
from services.kit.imports.worker import HoldRetry, ImportWorker
from services.kit.manifests import discover
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from services.kit.names import desk_role
from services.kit.runtime.health import Health
from tests.support.credentials import credentials
from tests.support.departments.desks import desk_over
from tests.support.imports.department import student

TOKEN = "t" * 40
HEADINGS = "学号,收费编号,收费学年,收费项目名称,应缴金额,已缴金额\n"
HOLD_RETRY = HoldRetry(first_delay_s=0.01, longest_delay_s=0.01)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Office:
    """`import_file` and `settle_down` do what the service's loops do by themselves."""

    desk: Desk[Any]
    acts: EvidenceActs
    http: httpx.AsyncClient
    worker: ImportWorker
    reassessment: Reassessment
    attestations: Attestations[Any]

    async def leaving(
        self,
        cohort: str | None = "2026",
        student_id: str = "",
        version: int = 1,
        state: CaseState = CaseState.OPEN,
        case_number: int = 1,
    ) -> str:
        """A student whose departure is open."""
        student_id = student_id or student()
        case = CaseChanged(
            student_id=student_id,
            version=version,
            state=state,
            occurred_at=now(),
            cohort=cohort,
            case_number=case_number,
        )
        async with self.desk.pool.acquire() as connection, connection.transaction():
            await self.desk.apply_cases(connection, [Received(case)], now=now())
        return student_id

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        headers = {"Idempotency-Key": str(uuid4())}
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def cover(self, cohort: str = "2026", as_of: datetime | None = None) -> Any:
        load = await self.post("/coverage", 201, cohort=cohort, as_of=(as_of or now()).isoformat())
        await self.settle_down()
        return load

    async def send(self, rows: str, *, headings: str = HEADINGS, **options: Any) -> httpx.Response:
        content = (headings + rows).encode()
        return await self.http.post("/imports", content=content, headers={"Content-Type": "text/csv"}, params=options)

    async def import_file(self, rows: str, *, headings: str = HEADINGS, **options: Any) -> Any:
        """The job of a file once it is done."""
        answer = await self.send(rows, headings=headings, **options)
        assert answer.status_code == 202, answer.text
        await self.worker.work()
        await self.settle_down()
        return await self.get(answer.headers["Location"])

    async def settle_down(self) -> None:
        while await self.reassessment.batch():
            pass

    async def said(self, student_id: str) -> CheckStatus:
        """The check of the newest published status."""
        text = await self.desk.pool.fetchval("SELECT status FROM record WHERE student_id = $1", student_id)
        (check,) = StatusChanged.model_validate_json(text).checks
        return check

    async def verdict(self, student_id: str) -> tuple[str, ...]:
        """`("clear",)`, or the codes of what blocks."""
        check = await self.said(student_id)
        return tuple(reason.code for reason in check.reasons) or (check.verdict.value,)

    async def ask(self, student_id: str, cohort: str | None = None, case_number: int = 1) -> UUID:
        """Open an attempt: the office attests. `cohort`, `case_number`: of the request."""
        attempt, at = uuid4(), now()
        event = SubmissionRequested(
            attempt_id=attempt,
            student_id=student_id,
            required=("finance",),
            cohort=cohort,
            case_number=case_number,
            opened_at=at,
            expires_at=at,
        )
        async with self.desk.pool.acquire() as connection, connection.transaction():
            await self.attestations.requested(connection, [Received(event)])
        return attempt

    async def outcome(self, attempt: UUID) -> str:
        answered: str = await self.desk.pool.fetchval("SELECT outcome FROM attestation WHERE attempt_id = $1", attempt)
        return answered

    async def release(self, attempt: UUID, student_id: str) -> None:
        event = SubmissionRefused(attempt_id=attempt, student_id=student_id, cause="expired", refused_at=now())
        async with self.desk.pool.acquire() as connection, connection.transaction():
            await self.attestations.refused(connection, [Received(event)])


@pytest.fixture
async def office(database: str) -> AsyncIterator[Office]:
    async with desk_over(database, "finance", covered=False) as desk:
        manifest = discover()["finance"]
        acts = EvidenceActs(desk, Wakeup())
        spec = department_import(desk, manifest, evidence=acts)
        routers = [desk_router(desk, manifest), imports_router(spec, desk.pool, Wakeup()), evidence_router(acts, desk)]
        app = create_app(
            title="finance",
            version="1",
            description="",
            health=Health(),
            lifespan=None,
            routers=routers,
            telemetry=None,
        )
        app.state.credentials = credentials(desk=(TOKEN, [desk_role("finance")]))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(app.state.operator)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk.example", headers=headers) as client:
            worker = ImportWorker(spec, desk.pool, Wakeup(), hold_retry=HOLD_RETRY)
            reassessment = Reassessment(desk, Wakeup())
            yield Office(desk, acts, client, worker, reassessment, Attestations(desk, Topics("test")))
            assert await desk.pool.fetchval("SELECT count(*) FROM record WHERE edited") == 0
