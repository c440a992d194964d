"""What was typed in the form of a roster entry over what the roster has by then."""

from services.gateway.staff.roster.form import FIELDS, corrected

HAS = {"student_id": "TS26010001", **dict.fromkeys(FIELDS, "a"), "campus": None, "cohort": "2026"}
SHOWN = {**dict.fromkeys(FIELDS, "a"), "campus": "", "cohort": "2026"}


def test_only_what_was_typed_anew_is_written() -> None:
    body, clashes = corrected({**HAS, "major": "changed by an import"}, SHOWN, {**SHOWN, "campus": " south "})
    assert clashes == ()
    assert body == {**HAS, "major": "changed by an import", "campus": "south"}


def test_an_emptied_field_is_none() -> None:
    assert corrected(HAS, SHOWN, {**SHOWN, "cohort": ""})[0]["cohort"] is None


def test_a_field_that_another_changed_to_another_value_clashes() -> None:
    now = {**HAS, "major": "b"}
    assert corrected(now, SHOWN, {**SHOWN, "major": "c"})[1] == ("major",)
    assert corrected(now, SHOWN, {**SHOWN, "major": "b"}) == (now, ())
    assert corrected(now, SHOWN, SHOWN) == (now, ())
