"""One student has one number, however it was typed, exported or claimed."""

import pytest

from schemas.student_ids import MAX_SPELLING, canonical_student_id, is_canonical_student_id

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "text",
    ["TS22010001", "ts22010001", " TS22010001\n", "\u3000ＴＳ２２０１０００１\u00a0", "Ts22010001\t"],
)
def test_every_spelling_of_a_number_becomes_the_same(text: str) -> None:
    assert canonical_student_id(text) == "TS22010001"


def test_the_canonical_spelling_is_its_own() -> None:
    assert canonical_student_id("0230800101") == "0230800101"
    assert canonical_student_id("ABC-1-2") == "ABC-1-2"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "A1", "A" * 33, "-TS1", "TS 2201", "TS2201\u200b0001", "TS2201‐0001", "TS2201\n0001", "校友"),
        *("TS2201.0", "\ud800", "A" * 4 + " " * MAX_SPELLING),
        # Upper case of these is ASCII, and another student's number.
        *("TSß2201", "TSı2201"),
    ],
)
def test_what_is_no_number_has_no_spelling(text: str) -> None:
    assert canonical_student_id(text) is None


@pytest.mark.parametrize("text", ["TS22010001", "0230800101", "ABC-1-2"])
def test_a_canonical_number_is_known_as_such(text: str) -> None:
    assert is_canonical_student_id(text)


@pytest.mark.parametrize("text", ["ts22010001", "TS2201000a", " TS22010001", "ＴＳ２２", "A1", "-TS1", "TS1\n"])
def test_another_spelling_is_not_canonical(text: str) -> None:
    assert not is_canonical_student_id(text)
