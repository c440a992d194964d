"""The audit by what its entries say, and what their seals show of them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.kit.audit import log
from services.kit.audit.chain import ChainSealer
from services.kit.audit.search import AuditFilter, found
from services.kit.postgres.migrations import KIT_MIGRATIONS, migrate
from services.kit.postgres.pool import open_pool

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
