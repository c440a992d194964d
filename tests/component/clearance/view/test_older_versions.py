"""A department that goes back: an older version behind the newest is an alarm, and its line is not believed."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.servers.kafka import RunningKafka
from services.clearance.view.freshness import SourceWatch
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture, status
from tests.support.imports.department import student
from tests.support.waiting import eventually


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


async def until_shown(clearance: ClearanceFixture, who: str, expected: tuple[int, bool]) -> None:
    async def is_so() -> bool:
        row = await clearance.row(who)
        return row is not None and (row["version"], row["readable"]) == expected

    await eventually(is_so, what=f"the view to show {expected}")


async def test_a_department_that_goes_back_is_an_alarm_with_its_name_count_and_since_when_until_it_goes_on(
    clearance: ClearanceFixture,
) -> None:
    who, other = student(), student()
    watch = SourceWatch(clearance.pool)
    async with background("projector", clearance.projector().run, Health()):
        await clearance.publish(*[status(one, version) for one in (who, other) for version in (1, 2, 3)])
        await until_shown(clearance, who, (3, True))
        await watch.measure()
        assert await watch.warning() is None
        await clearance.publish(status(who, 2))
        await until_shown(clearance, who, (3, False))
        await until_shown(clearance, other, (3, True))
        await watch.measure()
        assert "library: 1 since 2" in (await watch.warning() or "")
        await clearance.publish(status(who, 4))
        await until_shown(clearance, who, (4, True))
    await watch.measure()
    assert await watch.warning() is None
    assert await clearance.dead_letters() == []
