"""The acceptance as it is published: with its form, as far as an event has room for it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from schemas.codec import encode, read
from schemas.events import SubmissionAccepted
from services.clearance.receipts.payload import Receipt
from services.clearance.submission.submission_store import Position, Submission, with_form
from tests.support.samples.roster_students import person

NOW: Final = datetime(2026, 6, 1, 8, tzinfo=UTC)
FEW: Final = {"loans": 0}
FORMER: Final = ("TS20160001", "TS20200001")
# Of one department as much as an event has room for.
MANY: Final = {"rooms": [{"campus": "南湖" * 60, "room": "0307"} for _ in range(500)]}


def attested(facts: Mapping[str, Any]) -> dict[str, Any]:
    check = {"check": "check-out", "verdict": "clear", "reasons": [], "facts": facts}
    return {"dorm": {"version": 3, "attested_at": NOW.isoformat(), "checks": [check]}}


def published(facts: Mapping[str, Any], former: Mapping[str, Any]) -> SubmissionAccepted:
    submission = Submission(
        student=person("TS20260001"),
        position=Position(1),
        attempt_id=uuid4(),
        form_number="2026-K7M3R-X4Q9T-H",
        code="ABCDEFGH",
        accepted_at=NOW,
        facts=attested(facts),
        former={number: attested(former) for number in FORMER},
        receipt=Receipt("a.b.c", None),
        kid="k",
    )
    event = with_form(submission, NOW, NOW, ())
    assert read(encode(event, event_id=uuid4(), source="/lixiao/clearance", time=NOW)) == event
    return event


@pytest.mark.parametrize(("facts", "former"), [(FEW, FEW), (MANY, FEW), (FEW, MANY), (MANY, MANY)])
def test_a_form_that_is_too_large_for_an_event_leaves_out_facts_and_nothing_that_restores_it(
    facts: Mapping[str, Any], former: Mapping[str, Any]
) -> None:
    form = published(facts, former).form

    assert form is not None
    said = [form.facts["dorm"], *(form.former[number]["dorm"] for number in FORMER)]
    assert [one.version for one in said] == [3, 3, 3]
    if facts is former is FEW:
        assert [one.checks[0].facts for one in said] == [FEW, FEW, FEW]
