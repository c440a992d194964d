"""Where a student's status is stuck on its way to the page, and what a service's metrics say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.events import CheckStatus, Reason, StatusChanged, Verdict
from services.gateway.staff.operating.answers import DeadLetterContent, Published
from services.gateway.staff.operating.client import gauges_in
from services.gateway.staff.operating.reader import ViewRow
from services.gateway.staff.operating.student import finding

NOW = datetime(2026, 6, 10, 8, tzinfo=UTC)
BOUND = NOW - timedelta(seconds=60)


def published(version: int, unsent: int = 0) -> Published:
    checks = (CheckStatus(check="loans", verdict=Verdict.CLEAR),)
    status = StatusChanged(
        student_id="TS20260001",
        department="library",
        version=version,
        occurred_at=NOW,
        cause=Reason(code="return"),
        checks=checks,
    )
    return Published(status=status, unsent=unsent)


def row(version: int, **changes: Any) -> ViewRow:
    values: dict[str, Any] = {
        "department": "library",
        "version": version,
        "occurred_at": NOW,
        "received_at": NOW,
        "readable": True,
        "alive_as_of": NOW,
        "status": published(version).status,
        "partition": 3,
        "offset": 17,
        "unreadable_offset": None,
    }
    return ViewRow(**{**values, **changes})


@pytest.mark.parametrize(
    ("said", "held", "expected"),
    [
        (None, row(1), "department-away"),
        (Published(), None, "never-published"),
        (Published(), row(1), "department-behind"),
        (published(2, unsent=1), row(1), "in-outbox"),
        (published(1), None, "not-received"),
        (published(2), row(2, readable=False, unreadable_offset=18), "unreadable"),
        (published(2), row(1), "behind"),
        (published(1), row(2), "department-behind"),
        (published(2), row(2, alive_as_of=None), "stale"),
        (published(2), row(2, alive_as_of=BOUND - timedelta(seconds=1)), "stale"),
        (published(2), row(2, status=None), "differs"),
        (published(2), row(2), "in-step"),
    ],
)
def test_the_first_thing_on_the_way_that_is_wrong_is_named(
    said: Published | None, held: ViewRow | None, expected: str
) -> None:
    assert finding(said, held, BOUND) == expected


def test_gauges_are_summed_over_their_labels_and_others_left_out() -> None:
    text = (
        "# HELP lixiao_consumer_lag Records\n# TYPE lixiao_consumer_lag gauge\n"
        'lixiao_consumer_lag{consumer="a"} 3.0\nlixiao_consumer_lag{consumer="b {x}"} 4e1\n'
        'lixiao_outbox_depth{outbox="a"} NaN\nlixiao_other 5\nlixiao_open_questions 2\n'
    )
    names = ("lixiao_consumer_lag", "lixiao_outbox_depth", "lixiao_open_questions")
    assert gauges_in(text, names) == {"lixiao_consumer_lag": 43.0, "lixiao_open_questions": 2.0}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("x-y", ""),
        (None, ""),
    ],
)
def test_the_trace_of_a_dead_letter_is_read_from_its_header(header: str | None, expected: str) -> None:
    letter = {
        "id": 1,
        "consumer": "c",
        "topic": "t",
        "partition": 0,
        "offset": 1,
        "reason": "r",
        "stored_at": NOW,
    }
    found = DeadLetterContent.model_validate({"dead_letter": letter, "headers": {"traceparent": header}})
    assert found.trace_id == expected
