"""How long a fetch waits, and how soon the next one follows: the parts that are patched into aiokafka."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import consumer, fetcher

from services.kit.messaging.aiokafka_internals import pace_fetches, patch_consumers
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.gathering import LEAST_S, MOST_S, Gathering

CONFIGURED_MS = 500


@pytest.fixture
def fetching(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fetcher of which aiokafka's own part asks node 1 for everything, and finds what `found` says."""
    for owner, name in ((consumer, "Fetcher"), (fetcher, "MemoryRecords"), (fetcher, "PartitionRecords")):
        monkeypatch.setattr(owner, name, getattr(owner, name))

    def actions(self: Any, _: Any) -> Any:
        return [(1, self._fetch_max_wait_ms)], {}, 10.0, False, []

    async def fetched(self: Any, *_: Any) -> bool:
        found: bool = self.found
        return found

    monkeypatch.setattr(fetcher.Fetcher, "_get_actions_per_node", actions)
    monkeypatch.setattr(fetcher.Fetcher, "_proc_fetch_request", fetched)
    patch_consumers()
    made = consumer.Fetcher.__new__(consumer.Fetcher)
    made._fetch_max_wait_ms, made._records, made.found = CONFIGURED_MS, {}, True
    made._fetch_task = SimpleNamespace(cancel=lambda: None)
    return made


def test_a_fetch_waits_as_configured_but_hardly_beside_records_that_stand_unread(fetching: Any) -> None:
    assert fetching._get_actions_per_node(None)[0] == [(1, CONFIGURED_MS)]
    fetching._records = {"partition": "unread"}
    assert fetching._get_actions_per_node(None)[0] == [(1, 10)]
    fetching._records = {}
    assert fetching._get_actions_per_node(None)[0] == [(1, CONFIGURED_MS)]


def test_a_fetch_waits_longer_once_the_consumer_has_started(fetching: Any) -> None:
    fetching._get_actions_per_node(None)
    fetching._long_from = time.monotonic() - 0.001
    assert fetching._get_actions_per_node(None)[0] == [(1, 2_000)]
    fetching._records = {"partition": "unread"}
    assert fetching._get_actions_per_node(None)[0] == [(1, 10)]


def test_after_records_the_next_fetch_waits_for_others_to_gather(fetching: Any) -> None:
    pace_fetches(SimpleNamespace(_fetcher=fetching), lambda: 5.0)
    assert fetching._get_actions_per_node(None)[0], "nothing was found yet"
    asyncio.run(fetching._proc_fetch_request(None, 1, None))

    requests, _, timeout_s, *_ = fetching._get_actions_per_node(None)

    assert requests == []
    assert 0 < timeout_s <= 5.0
    fetching._next_at = time.monotonic()
    assert fetching._get_actions_per_node(None)[0]


def test_a_fetch_that_found_nothing_is_followed_at_once(fetching: Any) -> None:
    pace_fetches(SimpleNamespace(_fetcher=fetching), lambda: 5.0)
    fetching.found = False
    asyncio.run(fetching._proc_fetch_request(None, 1, None))
    assert fetching._get_actions_per_node(None)[0]


def test_beside_records_that_stand_unread_the_next_fetch_waits_though_it_found_nothing(fetching: Any) -> None:
    pace_fetches(SimpleNamespace(_fetcher=fetching), lambda: 5.0)
    fetching.found, fetching._records = False, {"partition": "unread"}
    asyncio.run(fetching._proc_fetch_request(None, 1, None))
    assert fetching._get_actions_per_node(None)[0] == []


def test_a_pause_grows_with_what_a_batch_took_and_shrinks_again() -> None:
    gathering = Gathering()
    pauses = [gathering.pause_s]
    for took_s in (0.001, 0.02, 60.0, 0.001):
        gathering.took(took_s)
        pauses.append(gathering.pause_s)
    assert pauses == [LEAST_S, LEAST_S, 0.04, MOST_S, LEAST_S]


@pytest.mark.parametrize("batch", [False, True])
async def test_what_comes_during_a_batch_of_typed_handlers_is_taken_once_that_is_committed(batch: bool) -> None:
    subscriber = TransactionalRouter(group="g").subscriber("t", batch=batch)
    started, committed, polls = asyncio.Event(), asyncio.Event(), 0

    async def commit(_: Any) -> None:
        started.set()
        await committed.wait()

    async def getmany(**_: Any) -> dict[Any, Any]:
        nonlocal polls
        polls += 1
        return {}

    working = asyncio.create_task(subscriber.work(0, commit))
    await subscriber.consume_one(("a record",))
    await started.wait()
    taking = asyncio.create_task(subscriber.get_msg(SimpleNamespace(getmany=getmany)))
    await asyncio.sleep(0)
    assert polls == (1 if batch else 0)
    committed.set()
    await taking
    assert polls == 1
    working.cancel()
