"""What differs between the view and a department is found, by whatever hand; writers who are busy make no finding."""

import asyncio
from collections.abc import Callable

import pytest

from schemas.events import Reason
from services.kit.messaging.relaying.producer import partition_of
from services.library.rules import Card, LibraryRecord
from tests.support.clearance.reconciled import Reconciled, busy
from tests.support.departments.desks import now

EDITED = """UPDATE status SET status = replace(status, '"blocked"', '"clear"') WHERE student_id = $1"""
MOVED = "UPDATE status SET source_partition = (source_partition + 1) % 6 WHERE student_id = $1"
NEWER = "UPDATE status SET version = version + 1 WHERE student_id = $1"
DELETED = "DELETE FROM status WHERE student_id = $1"
ADDED = """
INSERT INTO status (student_id, department, version, occurred_at, heard_at, source_partition, source_offset, status)
SELECT student_id || '9', department, version, occurred_at, heard_at, source_partition, source_offset, status
FROM status WHERE student_id = $1
"""


@pytest.mark.parametrize("edit", [DELETED, ADDED, EDITED, NEWER], ids=["deleted", "added", "edited", "other version"])
async def test_a_line_of_the_view_that_another_hand_changed_is_found(both: Reconciled, edit: str) -> None:
    students = await both.students(12)
    await both.compared()
    assert await both.findings() == []
    assert await both.watch.warning() is None
    assert await both.clearance.pool.execute(edit, students[0]) in {"UPDATE 1", "DELETE 1", "INSERT 0 1"}
    finding = await both.found()
    assert (finding.department, finding.partition) == ("library", partition_of(students[0].encode(), 6))
    assert finding.published - finding.viewed == {DELETED: 1, ADDED: -1}.get(edit, 0)
    await asyncio.sleep(0.3)
    assert f"library [{finding.partition}]" in (await both.watch.warning() or "")


async def test_a_line_in_another_partition_is_found_in_both(both: Reconciled) -> None:
    students = await both.students(12)
    await both.clearance.pool.execute(MOVED, students[0])
    await both.compared(3)
    partition = partition_of(students[0].encode(), 6)
    assert {finding.partition for finding in await both.findings()} == {partition, (partition + 1) % 6}


async def test_a_record_or_a_status_that_the_department_lost_is_found(both: Reconciled) -> None:
    students = await both.students(6)
    await both.desk.pool.execute("DELETE FROM record WHERE student_id = $1", students[0])
    finding = await both.found()
    assert (finding.partition, finding.published - finding.viewed) == (partition_of(students[0].encode(), 6), -1)


async def test_a_status_that_was_never_sent_is_found(both: Reconciled) -> None:
    students = await both.students(6)
    async with both.desk.pool.acquire() as connection, connection.transaction():
        await both.desk.change_in(connection, students[0], with_card(1), now=now())
        await connection.execute("DELETE FROM outbox")
    finding = await both.found()
    assert finding.partition == partition_of(students[0].encode(), 6)


async def test_busy_writers_make_no_finding_and_every_partition_is_compared(both: Reconciled) -> None:
    students = await both.students(24)
    async with busy(both.desk, students, with_card) as made:
        await both.compared(8)
    differed = await both.clearance.pool.fetchval("SELECT count(*) FROM reconciliation WHERE differing > 0")
    assert sum(made) > 100
    assert differed == 0
    assert await both.findings() + await both.findings(healed=True) == []
    await both.in_step()
    await both.compared()
    assert await both.findings() == []


def with_card(number: int) -> Callable[[LibraryRecord], tuple[LibraryRecord, Reason]]:
    """Another one for the next number."""
    card = Card.CANCELLED if number // 6 % 2 else Card.NONE

    def change(record: LibraryRecord) -> tuple[LibraryRecord, Reason]:
        return record.model_copy(update={"card": card}), Reason(code="card-issued")

    return change
