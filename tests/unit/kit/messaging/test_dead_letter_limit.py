"""When a consumer gives up on a topic it cannot decode, and when it does not."""

from collections.abc import Sequence

import pytest
from aiokafka import ConsumerRecord

from services.kit.messaging.dead_letters.limit import (
    WINDOW,
    DeadLetterCounter,
    DeadLetterLimit,
    DeadLetterLimitExceeded,
)
from services.kit.messaging.dead_letters.store import DeadLetter
from tests.support.in_process.services import record_of


def records(count: int, topic: str = "a") -> list[ConsumerRecord]:
    return [record_of(topic, b"TS1", b"") for _ in range(count)]


def undecodable(some: Sequence[ConsumerRecord], *, decoded: bool = False) -> list[DeadLetter]:
    return [DeadLetter(record, "it says so", decoded=decoded) for record in some]


def commit(counter: DeadLetterCounter, batch: Sequence[ConsumerRecord], bad: Sequence[ConsumerRecord] = ()) -> None:
    counter.check(batch, undecodable(bad))
    counter.committed()


def test_more_consecutive_undecodable_records_than_allowed_exceed_the_limit_also_over_several_batches() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_consecutive=3))
    for _ in range(3):
        commit(counter, bad := records(1), bad)
    with pytest.raises(DeadLetterLimitExceeded, match="more than 3 consecutive records of a "):
        counter.check(bad := records(1), undecodable(bad))


def test_a_readable_record_ends_a_run() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_consecutive=3))
    for _ in range(5):
        commit(counter, bad := records(3), bad)
        commit(counter, records(1))


def test_a_larger_share_of_the_window_than_allowed_exceeds_the_limit() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_ratio=0.1))
    for _ in range(WINDOW // 10):
        commit(counter, batch := records(2), batch[:1])
    with pytest.raises(DeadLetterLimitExceeded, match="more than 10% of the last 1000 records of a "):
        counter.check(batch := records(2), undecodable(batch[:1]))


def test_what_has_left_the_window_counts_no_more() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_ratio=0.1))
    for _ in range(5):
        for _ in range(WINDOW // 10):
            commit(counter, batch := records(2), batch[:1])
        commit(counter, records(WINDOW))


def test_each_topic_has_its_own_count() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_consecutive=3))
    for _ in range(10):
        commit(counter, records(100, "b"))
        if _ < 3:
            commit(counter, bad := records(1), bad)
    with pytest.raises(DeadLetterLimitExceeded):
        counter.check([*(bad := records(1)), *records(9, "b")], undecodable(bad))


def test_a_batch_that_was_not_committed_is_not_counted() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_consecutive=3))
    bad = records(2)
    for _ in range(10):
        counter.check(bad, undecodable(bad))


def test_a_record_that_was_decoded_and_then_refused_does_not_count() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_consecutive=3))
    counter.check(bad := records(50), undecodable(bad, decoded=True))


def test_a_ratio_of_one_and_a_long_run_let_everything_pass() -> None:
    counter = DeadLetterCounter(DeadLetterLimit(max_ratio=1.0, max_consecutive=10**9))
    for _ in range(5):
        commit(counter, bad := records(WINDOW), bad)
