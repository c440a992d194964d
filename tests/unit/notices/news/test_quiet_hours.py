"""Hours in which nothing is sent."""

from datetime import datetime

import pytest

from services.notices.news.quiet_hours import QuietHours


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "00:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("12:30-14:00", "12:29", False),
        ("12:30-14:00", "13:59", True),
        ("12:30-14:00", "14:00", False),
        ("00:00-00:00", "00:00", False),
    ],
)
def test_quiet_hours_begin_at_their_first_minute_and_end_before_their_last(hours: str, at: str, quiet: bool) -> None:
    found = QuietHours.of(hours)
    assert found is not None
    assert found.include(datetime.fromisoformat(f"2026-06-10T{at}")) is quiet


def test_without_a_text_there_are_none() -> None:
    assert QuietHours.of("") is None


@pytest.mark.parametrize("text", ["22-7", "25:00-07:00", "22:00", "22:00-07:60", " "])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="22:00-07:00"):
        QuietHours.of(text)
