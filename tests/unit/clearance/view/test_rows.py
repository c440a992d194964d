"""Rows that merge: order, grouping and repetition do not matter, and what may not be shown is not."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from services.clearance.view.fold import fold_batch
from services.clearance.view.rows import merge
from tests.unit.clearance.view.status_topic import DEPARTMENTS, TOPIC, Record, fold, only, said, status, student


def test_an_older_version_behind_the_newest_hides_it_until_the_newest_or_a_newer_one_follows() -> None:
    who = student()
    went_back = said(status(who, 3), 6), said(status(who, 2), 7)
    row = only(fold(*went_back))
    assert (row.version, row.offset, row.older_offset, row.readable) == (3, 6, 7, False)
    assert only(fold(*went_back, said(status(who, 3), 8))).readable
    assert only(fold(*went_back, said(status(who, 4), 8))) == only(fold(said(status(who, 4), 8)))


def test_a_version_repeated_behind_an_unreadable_record_does_not_show_again() -> None:
    who = student()
    repeated = said(status(who, 2), 5), Record(who.encode(), b"{", 6), said(status(who, 2), 7)
    row = only(fold(*repeated))
    assert (row.version, row.offset, row.first_offset, row.readable) == (2, 7, 5, False)
    assert only(fold_batch(repeated, DEPARTMENTS, discarded={(TOPIC, 0, 6)})).readable
    assert only(fold(*repeated, said(status(who, 3), 8), said(status(who, 3), 9))).readable


def test_one_version_with_two_contents_is_disputed_and_not_readable() -> None:
    who = student()
    row = only(fold(said(status(who, 3), 1), said(status(who, 3, debt="9.00"), 2)))
    assert row.disputed
    assert not row.readable


def test_a_newer_version_ends_a_dispute() -> None:
    who = student()
    both = said(status(who, 3), 1), said(status(who, 3, debt="9.00"), 2)
    assert only(fold(*both, said(status(who, 4), 3))).readable


def test_the_same_version_said_again_is_no_dispute() -> None:
    who = student()
    row = only(fold(said(status(who, 3), 1), said(status(who, 3), 2)))
    assert not row.disputed
    assert row.offset == 2


_WHO = "TS-PROPERTY"
_RECORDS = [
    said(status(_WHO, 1), 0),
    said(status(_WHO, 2), 1),
    Record(_WHO.encode(), b"{", 2),
    said(status(_WHO, 3), 3),
    said(status(_WHO, 2), 4),
    said(status(_WHO, 3), 5),
    Record(_WHO.encode(), None, 6),
    said(status(_WHO, 4, debt="1.00"), 7),
    said(status(_WHO, 4, debt="2.00"), 8),
    said(status(_WHO, 4, debt="1.00"), 9),
    said(status(_WHO, 5), 10),
    Record(_WHO.encode(), b"[]", 11),
]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Record], list[list[Record]]]:
    """Some of the records, and the same ones in any order, any grouping into batches, any repetition."""
    chosen = draw(st.lists(st.sampled_from(_RECORDS), min_size=1, max_size=len(_RECORDS), unique_by=lambda r: r.offset))
    again = draw(st.lists(st.sampled_from(chosen), max_size=8))
    order = draw(st.permutations(chosen + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    batches = [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    return sorted(chosen, key=lambda record: record.offset), batches


@given(histories())
def test_any_permutation_with_any_repetition_folds_to_the_same_row(
    history: tuple[list[Record], list[list[Record]]],
) -> None:
    in_order, batches = history
    folded = reduce(merge, [only(fold(*batch)) for batch in batches if batch])
    assert folded == only(fold(*in_order))


@given(histories())
def test_a_line_is_shown_if_nothing_behind_its_version_s_first_record_may_be_newer(
    history: tuple[list[Record], list[list[Record]]],
) -> None:
    in_order, _ = history
    newest, contents, hidden, went_back = 0, set[bytes | None](), False, False
    for record in in_order:
        row = only(fold(record))
        if row.version == 0:
            hidden = True
        elif row.version > newest:
            newest, contents, hidden, went_back = row.version, {row.status}, False, False
        else:
            went_back = row.version < newest
            contents |= set() if went_back else {row.status}
    shown = newest > 0 and not hidden and not went_back and len(contents) == 1
    folded = only(fold(*in_order))
    assert (folded.version, folded.readable) == (newest, shown)


@given(st.lists(st.sampled_from(_RECORDS), min_size=3, max_size=3))
def test_merging_is_commutative_associative_and_idempotent(three: list[Record]) -> None:
    a, b, c = (only(fold(record)) for record in three)
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, a) == a
