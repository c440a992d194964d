"""Rows in memory are those of all records folded at once, and of a table that is given the same batches."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.clearance.view.rebuilding.partition_rows import PartitionRows
from services.clearance.view.rows import Row
from tests.unit.clearance.view.status_topic import Record, fold, gone, said, status, student

_WHO = ("TS-FIRST", "TS-SECOND")


@st.composite
def partitions(draw: st.DrawFn) -> list[list[Record]]:
    """One partition in its order, in batches of any size."""

    def record(offset: int) -> Record:
        who = draw(st.sampled_from(_WHO))
        match draw(st.integers(0, 6)):
            case 0:
                return gone(who, offset)
            case 1:
                return Record(who.encode(), b"{", offset)
            case version:
                return said(status(who, version, debt=draw(st.sampled_from(["0.00", "9.00"]))), offset)

    records = [record(offset) for offset in range(draw(st.integers(1, 14)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(records)), max_size=5)))
    return [records[start:end] for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True)]


@given(partitions())
def test_batches_in_their_order_are_kept_as_all_of_them_fold(batches: list[list[Record]]) -> None:
    held = PartitionRows()
    for batch in (fold(*records) for records in batches):
        held.forget(batch.forgotten)
        held.apply(batch.rows)
    whole = fold(*(record for records in batches for record in records))
    assert [row for row, _ in held.rows()] == whole.rows
    assert held.forgotten() == whole.forgotten
    assert len(held) == len(whole.rows) + len(whole.forgotten)


def test_who_stays_open_is_so_since_the_first_status_that_said_it() -> None:
    who = student()

    def at(version: int, codes: str | None) -> Row:
        row = fold(said(status(who, version), version)).rows[0]
        return msgspec.structs.replace(row, open_codes=codes)

    held = PartitionRows()
    since = []
    for row in (at(1, None), at(2, "a:b"), at(3, "a:c"), at(3, "a:c"), at(4, None), at(5, "a:d"), at(4, None)):
        held.apply([row])
        since += [each.open_since for each in held.rows()]
    second, fifth = at(2, None).occurred_at, at(5, None).occurred_at
    assert since == [None, second, second, second, None, fifth, fifth]
