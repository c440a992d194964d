"""How many people are signed in, as a metric shows it."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from deploy.local.identity.people import Person
from services.gateway.tables.sessions.measure import measure_sessions
from services.kit.observability import metrics
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.waiting import eventually

COUNT_AGAIN_S = 0.05


async def test_living_sessions_are_counted_by_kind_and_ended_and_idle_ones_are_not(
    gateway: RunningGateway, browser: BrowserClient, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: dict[str, int] = {}

    def keep(value: int, labels: dict[str, Any]) -> None:
        counted[labels["kind"]] = value

    monkeypatch.setattr(metrics.SESSIONS, "set", keep)
    async with asyncpg.create_pool(gateway.database, min_size=1, max_size=1) as pool:
        counting = asyncio.create_task(measure_sessions(pool, timedelta(hours=1), every_s=COUNT_AGAIN_S))
        try:
            await eventually(lambda: set(counted) == {"student", "staff"}, what="the first count")
            before = dict(counted)
            await browser.sign_in(person)
            await eventually(lambda: counted["student"] == before["student"] + 1, what="one student more")
            await pool.execute("UPDATE session SET seen_at = seen_at - interval '2 hours'")
            await eventually(lambda: counted == {"student": 0, "staff": 0}, what="nobody, since all are idle")
            of_staff = "UPDATE session SET seen_at = now(), roles = '{desk:library}' WHERE student_id = $1"
            await pool.execute(of_staff, person.student_id)
            await eventually(lambda: counted == {"student": 0, "staff": 1}, what="a clerk")
            await pool.execute("UPDATE session SET expires_at = started_at + interval '1 ms'")
            await eventually(lambda: counted == {"student": 0, "staff": 0}, what="nobody, since all have run out")
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
