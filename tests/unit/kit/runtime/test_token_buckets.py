"""The limit on requests: bursts are granted, floods are not, and what is remembered is bounded."""

from services.kit.runtime.token_buckets import TokenBuckets


def test_a_burst_is_granted_and_what_is_beyond_it_waits_for_its_turn() -> None:
    buckets = TokenBuckets(rate=2.0, burst=3.0)
    assert [buckets.take(b"a", 1, 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert buckets.take(b"a", 1, 0.0) == 0.5
    assert buckets.take(b"a", 1, 0.5) == 0.0


def test_a_refused_request_costs_nothing() -> None:
    buckets = TokenBuckets(rate=1.0, burst=1.0)
    buckets.take(b"a", 1, 0.0)
    assert [buckets.take(b"a", 1, 0.5) for _ in range(5)] == [0.5] * 5
    assert buckets.take(b"a", 1, 1.0) == 0.0


def test_one_flood_does_not_slow_another_visitor() -> None:
    buckets = TokenBuckets(rate=1.0, burst=1.0)
    buckets.take(b"flood", 1, 0.0)
    assert buckets.take(b"flood", 1, 0.0) > 0
    assert buckets.take(b"other", 1, 0.0) == 0.0


def test_only_so_many_visitors_are_remembered() -> None:
    buckets = TokenBuckets(rate=1.0, burst=1.0, max_buckets=10)
    for number in range(1000):
        buckets.take(str(number).encode(), 1, 0.0)
    assert len(buckets._levels) == 10
