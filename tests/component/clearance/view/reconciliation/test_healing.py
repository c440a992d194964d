"""What differs is published again: the view and the department are equal, and the students are named."""

import time

import pytest

from schemas.events import StatusChanged
from services.kit.department.changes.requests import change_record
from services.kit.messaging.relaying.producer import partition_of
from tests.component.clearance.view.reconciliation.test_findings import (
    ADDED,
    DELETED,
    EDITED,
    NEWER,
    with_card,
)
from tests.support.clearance.reconciled import Reconciled, busy
from tests.support.departments.desks import now
from tests.support.waiting import eventually


@pytest.mark.parametrize("edit", [DELETED, EDITED, NEWER], ids=["deleted", "edited", "other version"])
async def test_a_line_that_another_hand_changed_is_published_again(healing: Reconciled, edit: str) -> None:
    students = await healing.students(30)
    await healing.clearance.pool.execute(edit, students[0])
    finding = await healing.healed()
    assert finding.partition == partition_of(students[0].encode(), 6)
    assert finding.students == [students[0]]
    await healing.in_step()
    await healing.compared()
    assert await healing.findings() == []


async def test_a_line_that_was_added_by_hand_is_removed_once_everything_else_was_published_again(
    healing: Reconciled,
) -> None:
    students = await healing.students(30)
    await healing.clearance.pool.execute(ADDED, students[0])
    finding = await healing.healed()
    assert (finding.removed, finding.students) == (1, [f"{students[0]}9"])
    await healing.in_step()


async def test_a_status_that_was_never_sent_is_published(healing: Reconciled) -> None:
    students = await healing.students(30)
    async with healing.desk.pool.acquire() as connection, connection.transaction():
        await healing.desk.change_in(connection, students[0], with_card(6), now=now())
        await connection.execute("DELETE FROM outbox")
    finding = await healing.healed()
    assert finding.students == [students[0]]
    await healing.in_step()


async def test_a_record_that_the_department_lost_leaves_the_view_and_begins_anew_with_the_case(
    healing: Reconciled,
) -> None:
    await healing.students(30)
    student_id = await healing.enrolled()
    await healing.compared()
    await healing.desk.pool.execute("DELETE FROM record WHERE student_id = $1", student_id)
    finding = await healing.healed()
    assert (finding.removed, finding.students) == (1, [student_id])

    async def known() -> bool:
        return student_id in await healing.viewed()

    await eventually(known, what="the student's first status to be published anew")
    await healing.in_step()
    await healing.compared()
    assert await healing.findings() == []


async def test_a_record_edited_by_hand_reaches_the_view_and_is_no_finding(healing: Reconciled) -> None:
    students = await healing.students(6)
    await healing.desk.pool.execute(
        """UPDATE record SET body = jsonb_set(body, '{card}', '"cancelled"') WHERE student_id = $1""", students[0]
    )
    before = (await healing.viewed())[students[0]]

    async def changed() -> bool:
        return (await healing.viewed())[students[0]] != before

    await eventually(changed, what="the edit to reach the view")
    await healing.in_step()
    await healing.compared()
    assert await healing.findings() == []


async def test_it_is_healed_while_writers_are_busy(healing: Reconciled) -> None:
    students = await healing.students(60)
    quiet = (await healing.students(6))[0]
    async with busy(healing.desk, students, with_card):
        await healing.clearance.pool.execute(DELETED, quiet)
        finding = await healing.healed()
    assert quiet in (finding.students or [])
    await healing.in_step()
    await healing.compared(3)
    assert await healing.findings() == []


async def test_an_older_version_that_only_the_view_has_seen_is_followed_by_a_newer_one_and_the_line_shown_again(
    healing: Reconciled,
) -> None:
    student_id, *_ = await healing.students(6)
    first = StatusChanged.model_validate_json((await healing.published())[student_id])
    await change_record(healing.desk, student_id, with_card(6), now=now())
    await healing.in_step()
    before = await healing.clearance.version(student_id) or 0
    assert before > first.version
    began = time.monotonic()
    await healing.clearance.publish(first)
    assert (await healing.healed()).partition == partition_of(student_id.encode(), 6)
    await healing.in_step()
    print(f"noticed and healed after {time.monotonic() - began:.1f} s")
    assert (await healing.clearance.version(student_id) or 0) > before
    assert await healing.clearance.dead_letters() == []


async def test_a_version_repeated_behind_an_unreadable_record_is_followed_by_a_newer_one(healing: Reconciled) -> None:
    student_id, *_ = await healing.students(6)
    status = StatusChanged.model_validate_json((await healing.published())[student_id])
    await healing.clearance.poison(student_id, b"{")
    await healing.clearance.publish(status)
    await healing.healed()
    await healing.in_step()
    assert (await healing.clearance.version(student_id) or 0) > status.version
    assert len(await healing.clearance.dead_letters()) == 1
