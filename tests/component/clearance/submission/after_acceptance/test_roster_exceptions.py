"""What the roster says after an acceptance: the form stands, an exception opens, and a hand-over must confirm it."""

import asyncio
from datetime import date, datetime
from typing import Any

import asyncpg
import pytest

from schemas.events import CaseState
from tests.support.in_process.after_acceptance import (
    audited,
    hand_over,
    open_exceptions,
    put,
    submitted,
    withdraw,
)
from tests.support.in_process.submission_harness import OWING, Harness


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"leave_category": "延期毕业"}, "category-changed"),
        ({"name": "林知源"}, "name-changed"),
        ({"major": "控制工程"}, "major-changed"),
        ({"enrolled_on": date(2022, 9, 1)}, "enrolled-on-changed"),
    ],
)
async def test_a_later_word_of_the_roster_opens_an_exception_and_the_form_stands(
    harness: Harness, changes: dict[str, Any], code: str
) -> None:
    student_id, form_number = await submitted(harness)
    before = await harness.submission(student_id)
    result = await put(harness, student_id, **changes)
    assert (result.case.state, result.case.case_number) == (CaseState.COMPLETED, 1)
    assert await open_exceptions(harness, form_number) == {"roster 1": [code]}
    after = await harness.submission(student_id)
    assert before is not None
    assert after is not None
    assert dict(after) == {**dict(before), "exception_count": 1}
    assert [outcome for outcome, _ in await audited(harness, student_id, "form.except")] == ["opened"]


async def test_a_student_taken_off_after_the_acceptance_is_an_exception_until_put_back(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    taken_off = await withdraw(harness, student_id)
    assert taken_off is not None
    assert (taken_off.outcome, taken_off.case.state) == ("applied", CaseState.COMPLETED)
    again = await withdraw(harness, student_id)
    assert again is not None
    assert again.outcome == "unchanged"
    assert await open_exceptions(harness, form_number) == {"roster 1": ["taken-off"]}
    await put(harness, student_id)
    assert await open_exceptions(harness, form_number) == {}


async def test_the_same_word_again_opens_nothing_and_another_one_is_another_exception(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await put(harness, student_id)
    assert await open_exceptions(harness, form_number) == {}
    await put(harness, student_id, name="林知源")
    await put(harness, student_id, name="林知源")
    assert await open_exceptions(harness, form_number) == {"roster 1": ["name-changed"]}
    await put(harness, student_id, name="林知源", leave_category="延期毕业")
    assert await open_exceptions(harness, form_number) == {"roster 2": ["name-changed", "category-changed"]}


async def test_a_hand_over_is_refused_unless_every_open_exception_is_named_with_a_reason(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await withdraw(harness, student_id)
    await harness.set("library", student_id, OWING)
    await harness.deliver_all()
    names = tuple(await open_exceptions(harness, form_number))
    assert {name.split()[0] for name in names} == {"library", "roster"}
    assert await hand_over(harness, student_id, form_number) == "unconfirmed"
    assert await hand_over(harness, student_id, form_number, confirmed=("roster 1",), reason="x") == "unconfirmed"
    assert await hand_over(harness, student_id, form_number, confirmed=names) == "no-reason"
    assert await hand_over(harness, student_id, form_number, confirmed=names, reason="研究生院来函") == "issued"
    [*refused, (outcome, details)] = await audited(harness, student_id, "certificate.issue")
    assert [cause for cause, _ in refused] == ["unconfirmed", "unconfirmed", "no-reason"]
    assert (outcome, details["confirmed"], details["reason"]) == ("issued", sorted(names), "研究生院来函")


async def test_a_confirmation_of_an_older_word_does_not_cover_a_newer_one(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await put(harness, student_id, name="林知源")
    await put(harness, student_id, name="林知远", leave_category="延期毕业")
    assert await hand_over(harness, student_id, form_number, confirmed=("roster 1",), reason="x") == "unconfirmed"


async def test_a_word_of_the_roster_races_a_hand_over_and_neither_overlooks_the_other(harness: Harness) -> None:
    """Either the certificates were handed over before the word, or the hand-over was refused for it."""
    for _ in range(12):
        student_id, form_number = await submitted(harness)
        outcome, _ = await asyncio.gather(hand_over(harness, student_id, form_number), withdraw(harness, student_id))
        opened, issued = await _instants(harness.clearance.pool, form_number)
        assert opened is not None
        assert (outcome == "issued") == (issued is not None)
        assert outcome in ("issued", "unconfirmed")
        if issued is not None:
            assert issued < opened


async def test_a_departments_exception_races_a_hand_over_and_neither_overlooks_the_other(harness: Harness) -> None:
    for _ in range(12):
        student_id, form_number = await submitted(harness)
        await harness.set("library", student_id, OWING)
        [status] = await harness.departments["library"].take_outbox()
        outcome, _ = await asyncio.gather(
            hand_over(harness, student_id, form_number), harness.clearance.receive([status])
        )
        names = await open_exceptions(harness, form_number)
        assert [name.split()[0] for name in names] == ["library"]
        opened, issued = await _instants(harness.clearance.pool, form_number)
        assert opened is not None
        assert (outcome == "issued") == (issued is not None)
        if issued is not None:
            assert issued < opened


async def _instants(pool: Any, form_number: str) -> tuple[datetime | None, datetime | None]:
    row: asyncpg.Record = await pool.fetchrow(
        "SELECT (SELECT opened_at FROM published.exception_v2 WHERE form_number = $1 AND closed_at IS NULL) AS opened,"
        " (SELECT issued_at FROM published.issue_v2 WHERE form_number = $1) AS issued",
        form_number,
    )
    return row["opened"], row["issued"]
