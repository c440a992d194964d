"""Folding records into the view: what a batch says, and that order, grouping and repetition do not matter."""

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import TOMBSTONE_HEADERS, encode
from schemas.events import CheckStatus, Message, Reason, SourceAlive, StatusChanged, StatusDigest, Verdict
from schemas.flows import source_of
from schemas.topics import ALIVE_KEY
from schemas.types import MAX_VERSION, highest_plausible_version
from services.clearance.view.fold import Batch, Row, fold_batch, merge, split_at_digests

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
TOPIC = "t.library.status.v1"
DEPARTMENTS = {TOPIC: "library", "t.dorm.status.v1": "dorm"}


@dataclass(frozen=True)
class Record:
    """A Kafka record, as much of it as the view reads."""

    key: bytes | None
    value: bytes | None
    offset: int = 0
    partition: int = 0
    topic: str = TOPIC
    headers: tuple[tuple[str, bytes | None], ...] = ()


def student() -> str:
    return f"TS{secrets.token_hex(6).upper()}"


def status(student_id: str, version: int, *, department: str = "library", debt: str = "0.00") -> StatusChanged:
    check = CheckStatus(check="borrowing", verdict=Verdict.CLEAR, facts={"debt": debt})
    return StatusChanged(
        student_id=student_id,
        department=department,
        version=version,
        occurred_at=NOW + timedelta(minutes=version),
        cause=Reason(code="book-returned"),
        checks=(check,),
    )


def written(event: Message) -> bytes:
    return encode(event, event_id=uuid4(), source=source_of("test"), time=NOW)


def said(event: StatusChanged, offset: int = 0, **other: Any) -> Record:
    return Record(event.student_id.encode(), written(event), offset, **other)


def alive(as_of: datetime, *, partition: int = 0, department: str = "library") -> Record:
    return Record(ALIVE_KEY, written(SourceAlive(department=department, as_of=as_of)), partition=partition)


def gone(student_id: str, offset: int) -> Record:
    return Record(student_id.encode(), None, offset, headers=TOMBSTONE_HEADERS)


def fold(*records: Record) -> Batch[Record]:
    return fold_batch(records, DEPARTMENTS)


def only(batch: Batch[Record]) -> Row:
    (row,) = batch.rows
    return row


def test_the_newest_version_of_a_batch_is_kept_whatever_the_order() -> None:
    who = student()
    row = only(fold(said(status(who, 2), 5), said(status(who, 3), 7), said(status(who, 1), 6)))
    assert (row.version, row.offset, row.readable) == (3, 7, True)
    assert json.loads(row.status or "") == status(who, 3).model_dump(mode="json")


def test_an_older_version_behind_the_newest_hides_it_until_the_newest_or_a_newer_one_follows() -> None:
    who = student()
    went_back = said(status(who, 3), 6), said(status(who, 2), 7)
    row = only(fold(*went_back))
    assert (row.version, row.offset, row.older_offset, row.readable) == (3, 6, 7, False)
    assert only(fold(*went_back, said(status(who, 3), 8))).readable
    assert only(fold(*went_back, said(status(who, 4), 8))) == only(fold(said(status(who, 4), 8)))


def test_a_version_that_nobody_can_have_counted_to_is_unreadable_and_the_next_one_shows_the_line_again() -> None:
    who = student()
    frozen = said(status(who, 2), 5), said(huge(who), 6)
    highest = highest_plausible_version(NOW.timestamp())
    batch = fold_batch(frozen, DEPARTMENTS, highest_version=highest)
    assert (only(batch).version, only(batch).readable) == (2, False)
    assert [bad.reason for bad in batch.unreadable] == ["version: more than anybody can have counted to"]
    row = only(fold_batch([*frozen, said(status(who, 3), 7)], DEPARTMENTS, highest_version=highest))
    assert (row.version, row.readable) == (3, True)


def huge(who: str) -> StatusChanged:
    return status(who, 1).model_copy(update={"version": MAX_VERSION})


def test_a_row_holds_the_status_and_where_it_was_read() -> None:
    event = status(student(), 2)
    row = only(fold(said(event, 7, partition=3)))
    assert row == Row(event.student_id, "library", 3, 2, 7, event.occurred_at, row.status, open_codes=row.open_codes)
    assert json.loads(row.status or "") == event.model_dump(mode="json")


def test_an_unreadable_record_is_a_row_that_says_where_it_stands() -> None:
    who = student()
    assert only(fold(Record(who.encode(), b"{", 5, partition=3))) == Row(who, "library", 3, unreadable_offset=5)


def test_every_readable_status_of_a_batch_is_counted_whatever_stands_between_them() -> None:
    broken, good = Record(b"\xff\xfe", b"{", 5), [said(status(student(), 1), offset) for offset in range(3)]
    discarded = Record(student().encode(), b"{", 6)
    batch = fold_batch([good[0], broken, discarded, *good[1:]], DEPARTMENTS, discarded={(TOPIC, 0, 6)})
    assert (batch.read, len(batch.rows), len(batch.unreadable)) == (3, 3, 1)


def test_rows_come_sorted_by_student_and_department_so_that_two_writers_cannot_deadlock() -> None:
    events = [status(f"TS-{number}", 1, department=name) for number in (3, 1, 2) for name in ("library", "dorm")]
    batch = fold(*[said(event, topic=f"t.{event.department}.status.v1") for event in events])
    assert [row.key for row in batch.rows] == sorted(row.key for row in batch.rows)
    assert len(batch.rows) == 6


def test_an_unreadable_record_hides_the_status_in_front_of_it_and_is_reported() -> None:
    who = student()
    batch = fold(said(status(who, 1), 4), Record(who.encode(), b"{", 5))
    assert only(batch).version == 1
    assert not only(batch).readable
    assert [bad.record.offset for bad in batch.unreadable] == [5]


def test_a_readable_status_behind_an_unreadable_record_shows_again() -> None:
    who = student()
    row = only(fold(Record(who.encode(), b"{", 5), said(status(who, 2), 6)))
    assert row.readable
    assert row.unreadable_offset == 5


def test_a_version_repeated_behind_an_unreadable_record_does_not_show_again() -> None:
    who = student()
    repeated = said(status(who, 2), 5), Record(who.encode(), b"{", 6), said(status(who, 2), 7)
    row = only(fold(*repeated))
    assert (row.version, row.offset, row.first_offset, row.readable) == (2, 7, 5, False)
    assert only(fold_batch(repeated, DEPARTMENTS, discarded={(TOPIC, 0, 6)})).readable
    assert only(fold(*repeated, said(status(who, 3), 8), said(status(who, 3), 9))).readable


def test_a_student_of_whom_only_unreadable_records_came_has_a_row_without_a_status() -> None:
    row = only(fold(Record(student().encode(), None, 3)))
    assert (row.version, row.status, row.readable) == (0, None, False)


def test_a_discarded_position_hides_nothing_and_is_not_reported_again() -> None:
    who = student()
    records = [said(status(who, 1), 4), Record(who.encode(), b"{", 5)]
    batch = fold_batch(records, DEPARTMENTS, discarded={(TOPIC, 0, 5)})
    assert only(batch).readable
    assert batch.unreadable == []


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


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (replace(said(status("TS-A1", 1)), key=b"TS-A2"), "student_id: "),
        (replace(said(status("TS-A1", 1)), key=None), "student_id: "),
        (said(status("TS-A1", 1, department="dorm")), "department: "),
        (said(status("TS-A1", 1), headers=(("ce_id", b"\xff"),)), ""),
        (replace(alive(NOW), key=b"TS-A1"), "type: "),
        (replace(said(status("TS-A1", 1)), key=ALIVE_KEY), "type: "),
        (alive(NOW, department="dorm"), "department: "),
        (replace(alive(NOW), headers=(("ce_id", b"\xff"),)), ""),
        (Record(ALIVE_KEY, b"not json"), "CloudEvents"),
        (Record(b"\xff\xfe", b"\x00\x01"), "CloudEvents"),
        (Record(b"TS-A1", written(status("TS-A1", 1)).replace(b"clear", b"maybe")), "enumeration"),
        (Record(b"TS-A1", written(status("TS-A1", 1)).replace(b'"version":1', b'"version":2147483648')), "status"),
        (Record(b"TS-A1", b"[" * 100_000), ""),
        (Record(b"TS-A1", b"x" * 5_000_000), "bytes"),
    ],
    ids=[
        "another student's key",
        "no key",
        "another department",
        "binary headers that are not text",
        "an alive mark under a student",
        "a status under the alive key",
        "another department's mark",
        "a mark with binary headers that are not text",
        "a broken mark",
        "a key of no student",
        "an unknown verdict",
        "a version out of range",
        "deep nesting",
        "5 MB",
    ],
)
def test_what_cannot_be_read_is_parked_with_a_reason_and_the_rest_goes_on(record: Record, reason: str) -> None:
    other = student()
    batch = fold(record, said(status(other, 1), 9))
    (bad,) = batch.unreadable
    assert bad.record is record
    assert bad.reason.startswith(reason) if reason.endswith(": ") else reason in bad.reason
    assert [row.student_id for row in batch.rows if row.readable] == [other]
    assert batch.alive == []
    assert batch.read + len(batch.alive) + len(batch.unreadable) == 2


def test_the_reason_names_no_student() -> None:
    who = student()
    batch = fold(replace(said(status(who, 1)), key=b"TS-OTHER"), Record(who.encode(), f'{{"{who}":1}}'.encode()))
    assert all(who not in bad.reason and "TS-OTHER" not in bad.reason for bad in batch.unreadable)


def test_the_newest_alive_mark_of_each_partition_is_kept() -> None:
    batch = fold(alive(NOW + timedelta(seconds=5)), alive(NOW), alive(NOW, partition=1))
    assert [(mark.department, mark.partition, mark.as_of) for mark in batch.alive] == [
        ("library", 0, NOW + timedelta(seconds=5)),
        ("library", 1, NOW),
    ]


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
    newest, contents, hidden, went_back = 0, set[str | None](), False, False
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


def test_a_tombstone_forgets_what_stands_before_it_and_nothing_behind() -> None:
    who, other = student(), student()
    batch = fold(said(status(who, 7), 1), said(status(other, 1), 2), gone(who, 3), said(status(who, 1), 4))
    assert [(row.student_id, row.version, row.offset) for row in batch.rows] == sorted([(who, 1, 4), (other, 1, 2)])
    assert [(one.key, one.offset) for one in batch.forgotten] == [((who, "library"), 3)]
    assert (batch.read, batch.unreadable) == (4, [])


def test_a_tombstone_is_never_a_status() -> None:
    who = student()
    batch = fold(said(status(who, 7), 1), gone(who, 2))
    assert batch.rows == []
    assert [one.key for one in batch.forgotten] == [(who, "library")]


def test_an_unreadable_record_before_a_tombstone_leaves_no_dead_letter() -> None:
    who, other = student(), student()
    batch = fold(
        Record(who.encode(), b"{", 1),
        Record(other.encode(), b"{", 2),
        gone(who, 3),
        Record(who.encode(), b"{", 4),
    )
    assert [bad.record.offset for bad in batch.unreadable] == [2, 4]
    assert batch.read + len(batch.unreadable) == 4
    assert {row.student_id: row.unreadable_offset for row in batch.rows} == {other: 2, who: 4}


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"ts20260001", ALIVE_KEY])
def test_a_tombstone_under_a_key_that_is_no_student_forgets_nobody(key: bytes | None) -> None:
    batch = fold(Record(key, None, 1, headers=TOMBSTONE_HEADERS))
    assert (batch.rows, batch.forgotten, len(batch.unreadable)) == ([], [], 1)


def digest_mark(partition: int, *, offset: int = 0, count: int = 1) -> Record:
    mark = SourceAlive(department="library", as_of=NOW, digest=StatusDigest.of(count, -5))
    return Record(ALIVE_KEY, written(mark), offset, partition)


def test_what_stands_behind_the_last_digest_of_its_partition_is_folded_after_the_comparison() -> None:
    first, second, third = (said(status(student(), 1), offset, partition=1) for offset in range(3))
    elsewhere = said(status(student(), 1), 9, partition=2)
    early, late = digest_mark(1, count=1), digest_mark(1, count=2)
    records = [first, early, second, late, elsewhere, third]
    before, behind = split_at_digests(records)
    assert (list(before), list(behind)) == ([first, early, second, late, elsewhere], [third])
    batch = fold_batch(before, DEPARTMENTS)
    assert batch.digests == {("library", 1): StatusDigest(count=2, sum=f"{2**64 - 5:016x}")}
    assert not fold_batch(behind, DEPARTMENTS).digests


def test_a_batch_is_not_split_for_nothing() -> None:
    one = said(status(student(), 1), partition=1)
    mark = Record(ALIVE_KEY, written(SourceAlive(department="library", as_of=NOW)), partition=1)
    for records in ([one, mark, one], [one, digest_mark(1)], [digest_mark(2), one]):
        assert split_at_digests(records) == (records, ())


def test_a_record_without_a_value_that_is_no_tombstone_of_ours_hides_its_student() -> None:
    who = student()
    batch = fold(said(status(who, 7), 1), Record(who.encode(), None, 2))
    assert not only(batch).readable
    assert (batch.forgotten, len(batch.unreadable)) == ([], 1)


def test_the_reasons_of_checks_that_are_not_clear_are_listed_by_check() -> None:
    def check(name: str, verdict: Verdict, *codes: str) -> CheckStatus:
        return CheckStatus(check=name, verdict=verdict, reasons=tuple(Reason(code=code) for code in codes))

    blocked = Verdict.BLOCKED
    checks = (check("loans", blocked, "books", "debt"), check("card", Verdict.CLEAR), check("thesis", blocked))
    event = status(student(), 1).model_copy(update={"checks": checks})
    assert only(fold(said(event))).open_codes == "loans:books loans:debt thesis:"
    assert only(fold(said(status(student(), 1)))).open_codes is None
