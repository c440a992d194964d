"""What one record of a status topic says, and why it cannot be read."""

import json
from dataclasses import replace

import pytest

from schemas.codec import TOMBSTONE_HEADERS
from schemas.events import CheckStatus, Reason, StatusChanged, Verdict
from schemas.topics import ALIVE_KEY
from schemas.types import MAX_VERSION, highest_plausible_version
from services.clearance.view.fold import fold_batch
from services.clearance.view.rows import Row
from tests.unit.clearance.view.status_topic import (
    DEPARTMENTS,
    NOW,
    Record,
    alive,
    fold,
    only,
    said,
    status,
    student,
    written,
)


def test_a_row_holds_the_status_and_where_it_was_read() -> None:
    event = status(student(), 2)
    row = only(fold(said(event, 7, partition=3)))
    assert row == Row(
        event.student_id, "library", 3, 2, 7, event.occurred_at.isoformat(), row.status, open_codes=row.open_codes
    )
    assert json.loads(row.status or "") == event.model_dump(mode="json")


def test_an_unreadable_record_is_a_row_that_says_where_it_stands() -> None:
    who = student()
    assert only(fold(Record(who.encode(), b"{", 5, partition=3))) == Row(who, "library", 3, unreadable_offset=5)


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


def test_a_student_of_whom_only_unreadable_records_came_has_a_row_without_a_status() -> None:
    row = only(fold(Record(student().encode(), None, 3)))
    assert (row.version, row.status, row.readable) == (0, None, False)


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


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"ts20260001", ALIVE_KEY])
def test_a_tombstone_under_a_key_that_is_no_student_forgets_nobody(key: bytes | None) -> None:
    batch = fold(Record(key, None, 1, headers=TOMBSTONE_HEADERS))
    assert (batch.rows, batch.forgotten, len(batch.unreadable)) == ([], [], 1)


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
