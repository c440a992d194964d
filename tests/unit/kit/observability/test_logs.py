"""What is written of what a library repeats."""

import logging

from services.kit.observability.logs import RateLimitFilter


def record(text: str, name: str = "aiokafka.client") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, text, None, None)


def test_what_the_kafka_client_repeats_is_written_once_in_ten_seconds() -> None:
    now = 0.0
    seldom = RateLimitFilter(lambda: now)
    assert seldom.filter(record("no connection"))
    now = 9.9
    assert not seldom.filter(record("no connection"))
    assert seldom.filter(record("no coordinator")), "another saying is written"
    now = 10.0
    assert seldom.filter(record("no connection"))


def test_what_we_say_ourselves_is_written_every_time() -> None:
    seldom = RateLimitFilter(lambda: 0.0)
    assert seldom.filter(record("relay leads", "services.kit.messaging.relaying.relay"))
    assert seldom.filter(record("relay leads", "services.kit.messaging.relaying.relay"))


def test_what_it_remembers_is_bounded() -> None:
    seldom = RateLimitFilter(lambda: 0.0)
    assert all(seldom.filter(record(f"node {number} is away")) for number in range(3000))
    assert len(seldom._logged_at) <= 1000
