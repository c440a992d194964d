"""The runbooks of docs/recovery.md on real parts, while desks keep changing records."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.installation import Installation
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.server import Running
from tests.drill.events import EVENTS, Event
from tests.drill.play import play
from tests.drill.stage import ALIVE_EVERY_S, Stage

STUDENTS = 12


@pytest.fixture(scope="module")
async def stage(postgres: Running, own_kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    installation = Installation(
        tmp_path_factory.mktemp("recovery"),
        postgres=postgres.address,
        kafka=own_kafka.address,
        settings={"LIXIAO_ALIVE_EVERY_S": ALIVE_EVERY_S},
    )
    try:
        made = Stage(installation, own_kafka, postgres.address)
        await made.begin(STUDENTS)
        yield made
    finally:
        await installation.close()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
async def test_page_record_and_topic_agree_again(stage: Stage, event: Event) -> None:
    await stage.mend()
    stage.ran.clear()
    played = await play(stage, event)
    print(f"{event.name}: noticed after {played.noticed_s} s, healed after {played.healed_s:.1f} s")
    assert played.changes, "the load changed nothing"
    assert set(event.commands) <= set(stage.ran)
