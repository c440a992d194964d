"""A status topic that lost its records: nothing received from it is fresh until it was published again."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from deploy.local.servers.kafka import RunningKafka
from services.clearance.view.freshness import SourceWatch
from services.clearance.view.projector import Projector
from services.clearance.view.source_store import lose_source
from services.clearance.view.status_dead_letters import clear_unreadable_mark
from services.kit.messaging import consumer
from services.kit.messaging.dead_letters import actions
from services.kit.messaging.dead_letters.actions import ReplayHandler
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from tests.support.clearance.fixture import DEPARTMENTS, ClearanceFixture, clearance_fixture, status, written
from tests.support.kafka.topics import recreate
from tests.support.waiting import eventually

BAD = b"{ no event }"


@pytest.fixture
async def clearance(database: str, kafka: RunningKafka, namespace: str) -> AsyncIterator[ClearanceFixture]:
    async with clearance_fixture(database, kafka.address, namespace) as made:
        yield made


@asynccontextmanager
async def running(clearance: ClearanceFixture) -> AsyncIterator[Projector]:
    projector = clearance.projector()
    async with background("projector", projector.run, Health()):
        yield projector


async def made_anew(clearance: ClearanceFixture) -> None:
    await recreate(clearance.kafka, clearance.topics, DEPARTMENTS, clearance.topics.status("library"))
    # A producer knows the topic that was.
    await clearance.publisher.discard()


def student() -> str:
    return f"TS{secrets.token_hex(6).upper()}"


async def shown(clearance: ClearanceFixture, who: str) -> tuple[int, bool, bool]:
    """Version, whether readable, whether an alive mark speaks for it."""
    row = await clearance.row(who)
    assert row is not None
    return row["version"], row["readable"], row["alive_as_of"] is not None


async def until_shown(clearance: ClearanceFixture, who: str, expected: tuple[int, bool, bool]) -> None:
    async def is_so() -> bool:
        return await clearance.row(who) is not None and await shown(clearance, who) == expected

    await eventually(is_so, what=f"the view to show {expected}", timeout_s=60)


@pytest.mark.parametrize("reading", [True, False], ids=["while it is read", "while nobody reads"])
async def test_after_a_topic_was_made_anew_a_status_is_fresh_once_it_was_published_again(
    clearance: ClearanceFixture, monkeypatch: pytest.MonkeyPatch, reading: bool
) -> None:
    monkeypatch.setattr(consumer, "_PROBE_BROKER_EVERY_S", 0.5)
    said_again, silent = student(), student()
    watch = SourceWatch(clearance.pool)
    await clearance.publish(*[status(who, version) for who in (said_again, silent) for version in (1, 2)])
    await clearance.publish_alive_mark("library", datetime.now(UTC))
    async with running(clearance):
        for who in (said_again, silent):
            await until_shown(clearance, who, (2, True, True))
        await watch.measure()
        assert await watch.probe() is None
        if reading:
            await made_anew(clearance)
            await until_shown(clearance, silent, (2, True, False))
    if not reading:
        await made_anew(clearance)
    await clearance.publish(*[status(said_again, version) for version in (3, 4, 5, 6)])
    await clearance.publish_alive_mark("library", datetime.now(UTC))
    async with running(clearance):
        await until_shown(clearance, said_again, (6, True, True))
        await until_shown(clearance, silent, (2, True, False))
        await watch.measure()
        assert "library: 1" in (await watch.probe() or "")
        await clearance.publish(status(silent, 3))
        await until_shown(clearance, silent, (3, True, True))
    await watch.measure()
    assert await watch.probe() is None
    assert await clearance.pool.fetchval("SELECT count(lost_at) FROM source") == 0


async def test_what_was_hidden_stays_hidden_and_what_comes_is_judged_by_the_new_offsets(
    clearance: ClearanceFixture,
) -> None:
    hidden, seen = student(), student()
    await clearance.publish(*[status(who, version) for version in range(1, 9) for who in (hidden, seen)])
    await clearance.poison(hidden, BAD)
    async with running(clearance):
        await until_shown(clearance, hidden, (8, False, False))
        await until_shown(clearance, seen, (8, True, False))
    await made_anew(clearance)
    await clearance.poison(seen, BAD)
    async with running(clearance):
        await until_shown(clearance, seen, (8, False, False))
        assert (await shown(clearance, hidden))[1] is False
        await clearance.publish(status(hidden, 9), status(seen, 9))
        await until_shown(clearance, hidden, (9, True, False))
        await until_shown(clearance, seen, (9, True, False))
    assert len(await clearance.dead_letters()) == 2


async def test_a_dead_letter_of_the_lost_log_can_still_be_replayed(clearance: ClearanceFixture) -> None:
    who = student()
    await clearance.publish(status(who, 1))
    await clearance.poison(who, BAD)
    async with running(clearance):
        await until_shown(clearance, who, (1, False, False))
    await made_anew(clearance)
    async with running(clearance) as projector:

        async def started_over() -> bool:
            return bool(await clearance.pool.fetchval("SELECT sum(resets) FROM consumer_offset"))

        await eventually(started_over, what="the positions to start over")
        handlers = {
            projector.group: ReplayHandler(
                projector.apply, clear_unreadable_mark(projector.group, projector.topics), projector.committed
            )
        }
        (letter,) = await clearance.dead_letters()
        await clearance.pool.execute("UPDATE dead_letter SET value = $1", written(status(who, 2)))
        async with clearance.pool.acquire() as connection:
            await actions.replay(connection, letter["id"], handlers, by="operator-1")
        assert await shown(clearance, who) == (2, True, False)
        await clearance.poison(who, BAD)
        await until_shown(clearance, who, (2, False, False))


async def test_records_lost_while_an_earlier_loss_is_made_good_are_not_taken_for_published_again(
    clearance: ClearanceFixture,
) -> None:
    who = student()
    pool = clearance.pool
    async with running(clearance):
        await clearance.publish(status(who, 1))
        await until_shown(clearance, who, (1, True, False))
    partition = await pool.fetchval("SELECT source_partition FROM status WHERE student_id = $1", who)
    await pool.execute(
        "INSERT INTO source (department, partition, heard_at, lost_at) VALUES ('library', $1, now(), '2026-01-01')",
        partition,
    )

    class LostMeanwhile(SourceWatch):
        async def _confirm(self, department: str) -> None:
            async with pool.acquire() as connection:
                await lose_source(connection, department, partition, now=datetime.now(UTC))
            await super()._confirm(department)

    await LostMeanwhile(pool).measure()
    assert await pool.fetchval("SELECT count(lost_at) FROM source") == 1
    await SourceWatch(pool).measure()
    assert await pool.fetchval("SELECT count(lost_at) FROM source") == 1
