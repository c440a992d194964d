"""The audit by what its entries say, and what their seals show of them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from services.kit.audit import log
from services.kit.audit.chain import ChainSealer
from services.kit.audit.search import AuditFilter, found
from services.kit.http.app import create_app
from services.kit.http.operators.audit_routes import audit_router
from services.kit.names import OPERATOR
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.postgres.pool import open_pool
from services.kit.runtime.health import Health
from tests.support.credentials import credentials

ACTS = (
    ("wang.li", "desk.return", "changed", "TS20260001"),
    ("gateway: 王丽 (wang.li)", "desk.loan", "refused", "TS20260002"),
    ("gateway: 王丽 (x.wang.li)", "deskwork", "changed", "TS20260001"),
    ("zhao", "note.write", "written", None),
)


@pytest.fixture
async def pool(database: str) -> AsyncIterator["asyncpg.Pool[Any]"]:
    await migrate(database, [KIT_MIGRATIONS / "audit"])
    opened = await open_pool(database, name="audit")
    async with opened.acquire() as connection:
        for actor, act, outcome, student_id in ACTS:
            await log.append_entry(connection, actor=actor, act=act, outcome=outcome, student_id=student_id)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("wanted", "acts"),
    [
        (AuditFilter(), ["note.write", "deskwork", "desk.loan", "desk.return"]),
        (AuditFilter(act="desk"), ["desk.loan", "desk.return"]),
        (AuditFilter(act="desk.loan"), ["desk.loan"]),
        (AuditFilter(actor="wang.li"), ["desk.loan", "desk.return"]),
        (AuditFilter(student_id="TS20260001"), ["deskwork", "desk.return"]),
        (AuditFilter(student_id="TS20260001", act="desk"), ["desk.return"]),
        (AuditFilter(outcome="refused"), ["desk.loan"]),
        (AuditFilter(act="%"), []),
    ],
    ids=str,
)
async def test_each_filter_narrows_what_is_found(
    pool: "asyncpg.Pool[Any]", wanted: AuditFilter, acts: list[str]
) -> None:
    async with pool.acquire() as connection:
        assert [one.act for one in await found(connection, wanted, limit=10)] == acts


async def test_pages_go_back_in_time_and_an_instant_ends_before_itself(pool: "asyncpg.Pool[Any]") -> None:
    async with pool.acquire() as connection:
        first = await found(connection, AuditFilter(), limit=3)
        rest = await found(connection, AuditFilter(), before=first[-1].entry_id, limit=3)
        assert [one.act for one in rest] == ["desk.return"]
        at = first[-1].at
        assert [one.act for one in await found(connection, AuditFilter(until=at), limit=9)] == ["desk.return"]
        since = await found(connection, AuditFilter(since=at, until=at + timedelta(microseconds=1)), limit=9)
        assert [one.act for one in since] == ["desk.loan"]


async def test_an_entry_is_unsealed_then_intact_and_then_changed(pool: "asyncpg.Pool[Any]") -> None:
    async with pool.acquire() as connection:
        assert [(one.seal, one.intact) for one in await found(connection, AuditFilter(), limit=2)] == [(None, None)] * 2
        await ChainSealer(pool).seal()
        assert [(one.seal, one.intact) for one in await found(connection, AuditFilter(), limit=9)] == [
            (4, True),
            (3, True),
            (2, True),
            (1, True),
        ]
        async with connection.transaction():
            # As an administrator of the database could.
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute("UPDATE audit.entry SET actor = 'nobody' WHERE act = 'desk.loan'")
        changed = await found(connection, AuditFilter(), limit=9)
        assert [one.intact for one in changed] == [True, True, False, True]


@pytest.mark.parametrize("member", ["since", "until"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00", 253402300799])
async def test_an_instant_at_the_ends_of_the_calendar_is_refused(
    pool: "asyncpg.Pool[Any]", member: str, at: str | int
) -> None:
    app = create_app(
        title="audit",
        version="1",
        description="",
        health=Health(),
        lifespan=None,
        routers=[audit_router(pool)],
        telemetry=None,
    )
    app.state.credentials = credentials(operator=("operator", [OPERATOR]))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": "Bearer operator"}
    async with httpx.AsyncClient(transport=transport, base_url="http://audit.example", headers=headers) as client:
        answer = await client.post("/audit/query", json={member: at})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, f"/{member}")
