"""The opaque key of a student: the same for whoever has the secret, of one month, and no way back to the number."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from services.kit.observability import subjects

NUMBER = "TS20260001"
SECRET, FORMER = "s" * 32, "f" * 32
IN_JUNE = datetime(2026, 6, 1, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def of_no_process() -> Iterator[None]:
    yield
    subjects.configure(None)


def test_staff_find_under_the_key_that_spans_have() -> None:
    subjects.configure(SECRET)
    now = datetime.now(UTC)
    assert subjects.subject_key(NUMBER) in subjects.searched_keys((SECRET,), NUMBER, now)


def test_there_is_a_key_for_each_month_and_secret() -> None:
    keys = subjects.searched_keys((SECRET, FORMER), NUMBER, IN_JUNE)
    assert len(set(keys)) == 4
    (june, may) = subjects.searched_keys((SECRET,), NUMBER, IN_JUNE)
    assert (june, may) == keys[:2]
    assert subjects.searched_keys((SECRET,), NUMBER, datetime(2026, 5, 31, 3, tzinfo=UTC))[0] == may


def test_two_students_share_no_key_and_a_key_holds_nothing_of_the_number() -> None:
    one, other = (subjects.searched_keys((SECRET,), number, IN_JUNE) for number in (NUMBER, "TS20260002"))
    assert not set(one) & set(other)
    assert all("20260001" not in key and len(key) == 24 for key in one)


@pytest.mark.parametrize("key", [None, b":alive", "", "library", "ts20260001", "１２３４５６７８"])
def test_what_is_no_number_in_its_one_spelling_has_no_key(key: str | bytes | None) -> None:
    subjects.configure(SECRET)
    assert subjects.SUBJECT not in subjects.attributes(key, outcome="changed")


def test_without_a_secret_a_span_says_all_but_whom_it_is_about() -> None:
    subjects.configure(None, department="library")
    assert subjects.attributes(NUMBER, act="desk.loan", outcome="changed") == {
        "lixiao.department": "library",
        "lixiao.act": "desk.loan",
        "lixiao.outcome": "changed",
    }
