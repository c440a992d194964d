"""A department's imports running over a real database, its HTTP side and its worker."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx

from services.kit.http.app import create_app
from services.kit.imports.api import imports_router
from services.kit.imports.spec import ImportSpec
from services.kit.imports.upload import Uploads
from services.kit.imports.worker import HoldRetry, ImportWorker
from services.kit.messaging.outbox import Wakeup
from services.kit.names import desk_role
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health
from tests.support.credentials import credentials
from tests.support.paths import ROOT

KIT = ROOT / "services" / "kit" / "migrations"
FOLDERS = [KIT / name for name in ("outbox", "inbox", "audit", "desk", "imports")]
NOW = datetime(2026, 6, 5, 8, 0, tzinfo=UTC)
TOKENS = {
    "desk": [desk_role(name) for name in ("library", "finance", "dorm", "counted")],
    "other": [desk_role("archives")],
}
HOLD_RETRY = HoldRetry(first_delay_s=0.01, longest_delay_s=0.02)


class Service:
    """A service with one import: its HTTP side, its database, and a worker that works when it is told to."""

    def __init__(self, spec: ImportSpec[Any], pool: "asyncpg.Pool[Any]", dsn: str) -> None:
        self.spec, self.pool, self.dsn = spec, pool, dsn
        self.uploads = Uploads(spec, pool, lambda: NOW)
        app = create_app(
            title="test",
            version="1",
            description="",
            health=Health(),
            lifespan=None,
            routers=[imports_router(spec, pool, Wakeup())],
            telemetry=None,
        )
        app.state.credentials = credentials(**{name: (name, roles) for name, roles in TOKENS.items()})
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test", headers={"Authorization": "Bearer desk"}
        )

    def worker(self, **options: Any) -> ImportWorker:
        return ImportWorker(self.spec, self.pool, Wakeup(), **{"hold_retry": HOLD_RETRY, **options})

    async def send(self, content: bytes | str, media_type: str = "text/csv", **headers: str) -> httpx.Response:
        data = content.encode() if isinstance(content, str) else content
        return await self.http.post("/imports", content=data, headers={"Content-Type": media_type, **headers})

    async def imported(self, content: bytes | str, media_type: str = "text/csv") -> dict[str, Any]:
        """The job of a file after its work is done."""
        answer = await self.send(content, media_type)
        assert answer.status_code == 202, answer.text
        await self.worker().work()
        job: dict[str, Any] = await self.get(answer.headers["Location"])
        return job

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def rejected(self, job: dict[str, Any]) -> dict[int, dict[str, str]]:
        rows = (await self.get(f"/imports/{job['job_id']}/rows", state="rejected"))["rows"]
        return {row["row"]: row["problems"][0] for row in rows}


@asynccontextmanager
async def service(dsn: str, make: Callable[["asyncpg.Pool[Any]"], ImportSpec[Any]]) -> AsyncIterator[Service]:
    await migrate(dsn, FOLDERS)
    pool = await open_pool(dsn, name="test-imports")
    running = Service(make(pool), pool, dsn)
    try:
        yield running
    finally:
        await running.http.aclose()
        await pool.close()


def student() -> str:
    return f"TS{secrets.token_hex(5).upper()}"


def counts(job: dict[str, Any]) -> tuple[int, int, int]:
    return job["applied"], job["unchanged"], job["rejected"]
