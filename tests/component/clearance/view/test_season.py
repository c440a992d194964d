"""The season in figures: cases by state, and whom a department keeps."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.servers.kafka import RunningKafka
from services.clearance.view.season import measure_season
from services.kit.observability import metrics
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status
from tests.support.imports.department import student
from tests.support.waiting import eventually


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


async def test_the_season_is_counted_with_zeros(clearance: ClearanceFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: dict[str, int] = {}

    def keep(value: int, labels: dict[str, Any]) -> None:
        counted.update(dict.fromkeys(labels.values(), value))

    monkeypatch.setattr(metrics.CASES, "set", keep)
    monkeypatch.setattr(metrics.OPEN_STATUSES, "set", keep)
    who = student()
    async with background("projector", clearance.projector().run, Health()):
        await clearance.publish(status(who, 1))

        async def viewed() -> bool:
            return await clearance.row(who) is not None

        await eventually(viewed, what="the status in the view")
    counting = asyncio.create_task(measure_season(clearance.pool, ("library",), every_s=0.05))
    try:
        await eventually(lambda: "library" in counted, what="the first count")
        expected = await clearance.pool.fetchval("SELECT count(*) FROM status WHERE open_since IS NOT NULL")
        assert counted["library"] == expected
        assert {counted[state] for state in ("open", "not-served", "closed", "completed")} == {0}
        await clearance.pool.execute(
            "UPDATE status SET open_since = now(), open_codes = 'borrowing:books-on-loan' WHERE student_id = $1", who
        )
        await eventually(lambda: counted["library"] == 1, what="a student who is kept")
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
