"""Folding records into the view: what a batch says."""

import json
from dataclasses import replace
from datetime import timedelta

from schemas.events import SourceAlive, StatusDigest
from schemas.topics import ALIVE_KEY
from services.clearance.view.fold import TOGETHER, fold_batch, read_together, split_at_digests
from tests.unit.clearance.view.status_topic import (
    DEPARTMENTS,
    NOW,
    TOPIC,
    Record,
    alive,
    fold,
    gone,
    only,
    said,
    status,
    student,
    written,
)


def test_the_newest_version_of_a_batch_is_kept_whatever_the_order() -> None:
    who = student()
    row = only(fold(said(status(who, 2), 5), said(status(who, 3), 7), said(status(who, 1), 6)))
    assert (row.version, row.offset, row.readable) == (3, 7, True)
    assert json.loads(row.status or "") == status(who, 3).model_dump(mode="json")


def test_every_readable_status_of_a_batch_is_counted_whatever_stands_between_them() -> None:
    broken, good = Record(b"\xff\xfe", b"{", 5), [said(status(student(), 1), offset) for offset in range(3)]
    discarded = Record(student().encode(), b"{", 6)
    batch = fold_batch([good[0], broken, discarded, *good[1:]], DEPARTMENTS, discarded={(TOPIC, 0, 6)})
    assert (batch.read, len(batch.rows), len(batch.unreadable)) == (3, 3, 1)


def test_many_records_fold_to_the_same_as_each_looked_at_by_itself() -> None:
    students = [student() for _ in range(TOGETHER)]
    records = [said(status(who, version), version) for version in (1, 2) for who in students]
    others = [
        Record(students[1].encode(), b"{", 3),
        gone(students[2], 3),
        alive(NOW),
        replace(said(status(students[3], 3), 3), key=b"another"),
        said(status(students[4], 3, department="dorm"), 3),
        replace(said(status(students[5], 3), 3), headers=(("ce_type", b"x"),)),
    ]
    for at, other in enumerate(others):
        records.insert(at * 31, other)
        assert fold_batch(records, DEPARTMENTS) == fold_batch(records, DEPARTMENTS, known=[None] * len(records))


def test_statuses_are_known_before_their_transaction_and_nothing_else_is() -> None:
    good = [said(status(student(), 1), offset) for offset in range(3)]
    assert [row and row.student_id.encode() for row in read_together([alive(NOW), *good], DEPARTMENTS)] == [
        None,
        *(record.key for record in good),
    ]
    assert read_together([*good, Record(b"x", b"{")], DEPARTMENTS) == [None] * 4
    assert read_together(good, DEPARTMENTS, 0) == [None] * 3


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


def test_a_discarded_position_hides_nothing_and_is_not_reported_again() -> None:
    who = student()
    records = [said(status(who, 1), 4), Record(who.encode(), b"{", 5)]
    batch = fold_batch(records, DEPARTMENTS, discarded={(TOPIC, 0, 5)})
    assert only(batch).readable
    assert batch.unreadable == []


def test_the_newest_alive_mark_of_each_partition_is_kept() -> None:
    batch = fold(alive(NOW + timedelta(seconds=5)), alive(NOW), alive(NOW, partition=1))
    assert [(mark.department, mark.partition, mark.as_of) for mark in batch.alive] == [
        ("library", 0, NOW + timedelta(seconds=5)),
        ("library", 1, NOW),
    ]


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
