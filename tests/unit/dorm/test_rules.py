"""The dormitories over every combination of residences, and over any history of their desks."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events import Reason, Verdict
from services.dorm.operations import RULES
from services.dorm.rules import DormRecord, assess
from services.kit.operations import Refused
from tests.support.in_process.pure_desk import PureDesk

pytestmark = pytest.mark.unit

STUDENT = "TS20267003"
desk = PureDesk(RULES, STUDENT)
do, row = desk.do, desk.row
PLACE = {"campus": "南湖校区", "building": "梅苑1楼", "room": "A3071"}
OUT = {"checked_out_on": "2026-06-05", "handler": "周管理"}
KINDS: dict[str, dict[str, str]] = {
    "open": {},
    "date only": {"checked_out_on": "2026-06-05"},
    "handler only": {"handler": "周管理"},
    "out": OUT,
}


def record_of(*kinds: str) -> DormRecord:
    residences = [{**PLACE, "room": f"A{number}", **KINDS[kind]} for number, kind in enumerate(kinds)]
    return DormRecord.model_validate({"residences": residences})


@pytest.mark.parametrize("kinds", [kinds for count in range(4) for kinds in product(KINDS, repeat=count)])
def test_it_passes_exactly_when_every_residence_has_date_and_handler(kinds: tuple[str, ...]) -> None:
    (check,) = assess(record_of(*kinds)).checks
    open_, half = kinds.count("open"), kinds.count("date only") + kinds.count("handler only")
    expected = [("not-checked-out", {"count": open_})] * (open_ > 0)
    expected += [("check-out-incomplete", {"count": half})] * (half > 0)
    assert check.verdict is (Verdict.CLEAR if set(kinds) <= {"out"} else Verdict.BLOCKED)
    assert [(reason.code, reason.parameters) for reason in check.reasons] == expected
    assert check.facts["resident"] is (len(kinds) > 0)


def test_who_never_lived_on_campus_passes_and_the_facts_say_so() -> None:
    (check,) = assess(DormRecord()).checks
    assert check.verdict is Verdict.CLEAR
    assert check.facts == {"resident": False, "residences": []}


def test_the_facts_are_the_guides_table() -> None:
    (check,) = assess(record_of("out", "open")).checks
    assert check.facts["residences"] == [
        {"campus": "南湖校区", "building": "梅苑1楼", "room": "A0", **OUT},
        {"campus": "南湖校区", "building": "梅苑1楼", "room": "A1", "checked_out_on": "", "handler": ""},
    ]


def test_a_student_moves_in_and_is_checked_out() -> None:
    lives, cause = do(DormRecord(), "assign", **PLACE)
    assert cause == Reason(code="room-assigned", parameters={"building": "梅苑1楼", "room": "A3071"})
    assert not assess(lives).clear
    left, cause = do(lives, "check-out", **PLACE, **OUT)
    assert cause == Reason(code="checked-out", parameters={"building": "梅苑1楼", "room": "A3071"})
    assert assess(left).clear


def test_the_same_act_again_returns_the_very_same_record() -> None:
    lives, _ = do(DormRecord(), "assign", **PLACE)
    assert do(lives, "assign", **PLACE)[0] is lives
    left, _ = do(lives, "check-out", **PLACE, **OUT)
    assert do(left, "check-out", **PLACE, **OUT)[0] is left


def test_moving_into_a_room_again_opens_it_again() -> None:
    left = row(DormRecord(), **PLACE, **OUT)
    again, _ = do(left, "assign", **PLACE)
    assert len(again.residences) == 1
    assert not assess(again).clear


@pytest.mark.parametrize(
    "other", [{"room": "a3071"}, {"room": "Ａ３０７１"}, {"building": "梅苑 1楼"}, {"building": "梅苑１楼"}]
)
def test_a_room_is_one_room_in_any_spelling(other: dict[str, str]) -> None:
    lives, _ = do(DormRecord(), "assign", **PLACE)
    for left in (row(lives, **{**PLACE, **other}, **OUT), do(lives, "check-out", **{**PLACE, **other}, **OUT)[0]):
        assert len(left.residences) == 1
        assert assess(left).clear
        assert do(left, "check-out", **PLACE, **OUT)[0] is left


def test_a_half_noted_check_out_is_completed_by_the_desk() -> None:
    half = row(DormRecord(), **PLACE, checked_out_on="2026-06-04")
    assert assess(do(half, "check-out", **PLACE, **OUT)[0]).clear


@pytest.mark.parametrize("part", ["campus", "building", "room"])
def test_a_room_the_student_never_had_is_refused(part: str) -> None:
    lives, _ = do(DormRecord(), "assign", **PLACE)
    with pytest.raises(Refused) as refused:
        do(lives, "check-out", **{**PLACE, part: "别处"}, **OUT)
    assert (refused.value.reason, refused.value.field) == (Reason(code="residence-unknown"), "room")


@pytest.mark.parametrize("other", [{"checked_out_on": "2026-06-06"}, {"handler": "吴管理"}])
def test_another_check_out_of_the_same_room_is_refused(other: dict[str, str]) -> None:
    left = row(DormRecord(), **PLACE, **OUT)
    with pytest.raises(Refused) as refused:
        do(left, "check-out", **PLACE, **{**OUT, **other})
    assert (refused.value.reason, refused.value.field) == (Reason(code="already-checked-out"), "checked_out_on")


def test_a_full_record_takes_no_more_residences() -> None:
    full = record_of(*["out"] * 20)
    with pytest.raises(Refused) as refused:
        do(full, "assign", **PLACE)
    assert refused.value.reason == Reason(code="record-full", parameters={"limit": 20})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**OUT, "handler": "\u3000"}, "handler"),
        ({**OUT, "handler": None}, "handler"),
        ({**OUT, "handler": "x" * 61}, "handler"),
        ({**OUT, "checked_out_on": "5 June"}, "checked_out_on"),
        ({**OUT, "checked_out_on": 1780000000}, "checked_out_on"),
        ({**OUT, "room": "A\n1"}, "room"),
        ({**OUT, "floor": "3"}, "floor"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        do(DormRecord(), "check-out", **{**PLACE, **body})
    assert [problem["loc"] for problem in wrong.value.errors()] == [(field,)]


def test_a_record_with_a_blank_handler_or_a_place_twice_is_refused() -> None:
    with pytest.raises(ValidationError) as blank:
        DormRecord.model_validate({"residences": [{**PLACE, **OUT, "handler": " "}]})
    assert blank.value.errors()[0]["loc"] == ("residences", 0, "handler")
    with pytest.raises(ValidationError) as twice:
        DormRecord.model_validate({"residences": [PLACE, {**PLACE, **OUT}]})
    assert twice.value.errors()[0]["loc"] == ("residences",)


@pytest.mark.parametrize("before", [None, *KINDS])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_says_how_it_stands_and_again_changes_nothing(before: str | None, kind: str) -> None:
    cells = {**PLACE, "room": "A0", "checked_out_on": "", "handler": "", **KINDS[kind]}
    once = row(record_of(before) if before else DormRecord(), **cells)
    assert once == record_of(kind)
    assert row(once, **cells) is once


def test_a_room_number_of_a_spreadsheet_may_be_a_number() -> None:
    assert row(DormRecord(), **{**PLACE, "room": 3071}).residences[0].room == "3071"


places = st.sampled_from([PLACE, {**PLACE, "room": "A3072"}, {**PLACE, "campus": "文昌校区"}])
acts = st.one_of(
    st.builds(lambda place: ("assign", place), places),
    st.builds(
        lambda place, day: ("check-out", {**place, "checked_out_on": day, "handler": "周管理"}),
        places,
        st.sampled_from(["2026-06-05", "2026-06-06"]),
    ),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(acts, max_size=20))
def test_any_history_leaves_a_record_that_passes_exactly_when_all_its_rooms_are_left(
    history: list[tuple[str, dict[str, str]]],
) -> None:
    record = DormRecord()
    lived_in: set[tuple[str, str]] = set()
    for operation, body in history:
        place = (body["campus"], body["room"])
        try:
            record, _ = do(record, operation, **body)
        except Refused:
            continue
        lived_in = lived_in | {place} if operation == "assign" else lived_in - {place}
        assert assess(record).clear == (not lived_in)
        assert DormRecord.model_validate_json(record.model_dump_json()) == record
