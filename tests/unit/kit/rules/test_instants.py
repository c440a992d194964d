"""A newer act is never undone by an older word: which is older, by item."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.rules.instants import WHOLE, in_zone, micros, newest, read_instant, with_word

pytestmark = pytest.mark.unit
SHANGHAI = ZoneInfo("Asia/Shanghai")
A, B = frozenset({"loan:A"}), frozenset({"loan:B"})


def test_a_word_about_one_item_is_not_newer_than_another_item() -> None:
    instants = with_word({}, A, 20)
    assert (newest(instants, A), newest(instants, B), newest(instants, A | B), newest(instants, None)) == (
        20,
        0,
        20,
        20,
    )


def test_a_word_about_the_whole_record_is_about_each_item() -> None:
    instants = with_word(with_word({}, A, 30), None, 20)
    assert instants == {"loan:A": 30, WHOLE: 20}
    assert (newest(instants, A), newest(instants, B)) == (30, 20)


def test_a_word_without_items_is_about_the_whole_record() -> None:
    assert with_word({}, frozenset(), 20) == {WHOLE: 20}
    assert newest(with_word({}, A, 20), frozenset()) == 20


WORDS = st.lists(st.tuples(st.sets(st.sampled_from("abc")) | st.none(), st.integers(1, 9)), max_size=12)


@given(WORDS)
def test_instants_only_grow_and_each_word_is_counted(words: list[tuple[set[str] | None, int]]) -> None:
    instants: dict[str, int] = {}
    for spoken, at in words:
        items = None if spoken is None else frozenset(spoken)
        before = {item: newest(instants, frozenset({item})) for item in "abc"}
        instants = dict(with_word(instants, items, at))
        assert newest(instants, items) >= at
        for item, instant in before.items():
            assert newest(instants, frozenset({item})) >= instant


@given(WORDS)
def test_no_item_is_newer_than_the_words_about_it(words: list[tuple[set[str] | None, int]]) -> None:
    instants: dict[str, int] = {}
    for spoken, at in words:
        instants = dict(with_word(instants, None if spoken is None else frozenset(spoken), at))
    for item in "abc":
        heard = [at for spoken, at in words if not spoken or item in spoken]
        assert newest(instants, frozenset({item})) == max(heard, default=0)


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-05 14:30",
        "2026/6/5 14:30:00",
        "2026.6.5 14:30",
        "2026年6月5日 14:30",
        "2026年6月5日14:30:00",
        "2026-06-05T14:30:00.000",
        " ２０２６-０６-０５ １４：３０ ",
        "2026-06-05T14:30:00+08:00",
        "2026-06-05T06:30:00Z",
        "2026-06-05 06:30 Z",
    ],
)
def test_an_instant_as_exports_write_it_is_read(text: str) -> None:
    at = read_instant(text)
    assert at is not None
    assert in_zone(at, SHANGHAI) == datetime(2026, 6, 5, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-06-05",
        "14:30",
        "6/5/2026 14:30",
        "2026-06-05 25:00",
        "2026-13-05 14:30",
        "46178.5",
        "昨天",
        "2026-06-05 14:30+25:00",
        "1999-12-31 23:59",
        "0001-01-01 00:00+08:00",
        "9999-12-31 23:59:59-08:00",
    ],
)
def test_what_is_no_instant_is_not_read(text: str) -> None:
    assert read_instant(text) is None


def test_microseconds_are_kept() -> None:
    at = datetime(2026, 6, 5, 6, 30, 0, 123456, tzinfo=UTC)
    assert micros(at + timedelta(microseconds=1)) - micros(at) == 1
    assert read_instant("2026-06-05T06:30:00.123456Z") == at
