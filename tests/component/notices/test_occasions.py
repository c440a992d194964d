"""What a student is written to about: by events on a real broker, to a real mail server."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.codec import TOMBSTONE_HEADERS
from schemas.events import CaseState, Reason
from services.kit.messaging.relaying.producer import OutboundRecord
from tests.support.notices.mail_server import MailServer
from tests.support.notices.running import BLOCKED, PAGE, UNKNOWN, RunningNotices, address_of, now
from tests.support.waiting import eventually


async def received(mails: MailServer, student_id: str, count: int) -> list[str]:
    """The subjects of so many mails to the student, and of no more."""
    await eventually(lambda: len(mails.to(address_of(student_id))) >= count, what=f"{count} mails", timeout_s=30)
    found = [str(message["Subject"]) for message in mails.to(address_of(student_id))]
    assert len(found) == count
    return found


async def only_the_control_arrives(notices: RunningNotices, mails: MailServer, student_id: str) -> None:
    """Behind all that was to be silent an end comes, whose mail is the student's only one."""
    await notices.refused(student_id)
    assert await received(mails, student_id, 1) == ["【离校服务】提交未成功，请查看"]


@pytest.mark.acceptance("N-001")
async def test_a_line_that_turned_is_a_mail_with_its_title_and_the_page_and_nothing_else(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    await notices.status(student_id, BLOCKED)
    await notices.status(student_id)
    (subject,) = await received(mails, student_id, 1)
    assert subject == "【离校服务】有事项已通过"
    (message,) = mails.to(address_of(student_id))
    text = message.get_content()
    assert f"{PAGE}/case" in text
    assert "通过：" in text
    assert student_id not in message.as_string()
    assert student_id not in text
    await notices.status(student_id, BLOCKED)
    assert (await received(mails, student_id, 2))[1] == "【离校服务】有事项需要您办理"
    assert "72.40" not in mails.to(address_of(student_id))[1].get_content()


async def test_a_first_status_no_data_and_a_first_load_are_no_news(notices: RunningNotices, mails: MailServer) -> None:
    student_id = await notices.student()
    await notices.status(student_id, UNKNOWN)
    await notices.status(student_id, BLOCKED)
    await notices.status(student_id, department="library", check="thesis")
    await only_the_control_arrives(notices, mails, student_id)


@pytest.mark.acceptance("N-001")
async def test_a_status_published_again_and_a_record_read_again_are_no_news(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    await notices.status(student_id, BLOCKED)
    turned = await notices.status(student_id)
    assert len(await received(mails, student_id, 1)) == 1
    await notices.status(student_id)
    await notices.send_again(turned)
    await notices.status(student_id, UNKNOWN)
    await notices.status(student_id)
    await notices.refused(student_id)
    assert len(await received(mails, student_id, 2)) == 2


async def test_what_happened_before_the_service_first_ran_is_no_news(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    yesterday = now() - timedelta(days=1)
    await notices.refused(student_id, at=yesterday)
    await notices.status(student_id, BLOCKED, occurred_at=yesterday)
    await notices.status(student_id, occurred_at=yesterday)
    await only_the_control_arrives(notices, mails, student_id)


async def test_the_end_of_a_submission_is_written_about_once_however_often_it_is_published(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student(language="en")
    event = await notices.accepted(student_id)
    assert await received(mails, student_id, 1) == ["[Departure clearance] Your submission was accepted"]
    await notices.accepted(student_id, event.attempt_id)
    await notices.refused(student_id)
    assert len(await received(mails, student_id, 2)) == 2


async def test_a_line_lost_after_acceptance_is_said_so_but_not_one_the_attempt_left_out(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    await notices.status(student_id)
    await notices.status(student_id, department="dorm", check="check-out")
    await notices.requested(student_id, {"dorm": ("check-out",)})
    await notices.case(student_id, CaseState.COMPLETED, 2)

    async def waived_known() -> bool:
        rows = await notices.rows("SELECT waived FROM known_case WHERE student_id = $1", student_id)
        return "check-out" in rows[0]["waived"]

    await eventually(waived_known, what="the request to be read")
    await notices.status(student_id, Reason(code="occupied"), department="dorm", check="check-out")
    await notices.status(student_id, BLOCKED)
    assert await received(mails, student_id, 1) == ["【离校服务】提交之后有新情况，请查看"]
    assert "退宿" not in mails.to(address_of(student_id))[0].get_content()


async def test_nobody_is_written_to_about_a_case_that_was_closed_or_a_departure_before(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    await notices.status(student_id)
    await notices.case(student_id, CaseState.CLOSED, 2)
    await notices.status(student_id, BLOCKED)
    await notices.case(student_id, CaseState.OPEN, 3, case_number=2)
    await notices.status(student_id)
    await only_the_control_arrives(notices, mails, student_id)


async def test_a_channel_that_the_student_does_not_want_is_not_used(notices: RunningNotices, mails: MailServer) -> None:
    student_id = await notices.student(muted=["mail"])
    await notices.refused(student_id)

    async def collected() -> bool:
        rows = await notices.rows("SELECT collected_at FROM occasion WHERE student_id = $1", student_id)
        return bool(rows) and rows[0]["collected_at"] is not None

    await eventually(collected, what="the occasion to be collected", timeout_s=30)
    assert await notices.states(student_id) == []
    await notices.keep(student_id, mail=address_of(student_id))
    await only_the_control_arrives(notices, mails, student_id)


async def test_a_forgotten_students_rows_are_gone_and_so_is_what_the_own_topic_says_of_them(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    await notices.status(student_id, BLOCKED)
    await notices.refused(student_id)
    await received(mails, student_id, 1)
    await notices.forget(student_id)

    async def nothing_left() -> bool:
        tables = ("known_case", "known_line", "occasion", "notice", "sent_occasion", "contact")
        counts = [await notices.rows(f"SELECT FROM {table} WHERE student_id = $1", student_id) for table in tables]
        return not any(counts)

    await eventually(nothing_left, what="the student's rows to go", timeout_s=30)
    acts = await notices.rows("SELECT act, outcome FROM audit.entry WHERE student_id = $1", student_id)
    assert ("student.forget", "forgotten") in {(row["act"], row["outcome"]) for row in acts}


async def test_a_late_tombstone_takes_nothing_from_a_student_who_has_a_case_again_but_that_departments_lines(
    notices: RunningNotices, mails: MailServer
) -> None:
    """Of a department that was down while the student was forgotten and listed again."""
    student_id = await notices.student()
    await notices.status(student_id, BLOCKED)
    await notices.forget(student_id)

    async def forgotten() -> bool:
        return not await notices.rows("SELECT FROM known_case WHERE student_id = $1", student_id)

    await eventually(forgotten, what="the student to be forgotten", timeout_s=30)
    await notices.case(student_id, CaseState.OPEN, 1)
    await notices.keep(student_id, mail=address_of(student_id))
    await notices.status(student_id, department="library", check="thesis")
    # What the department still had of before, and its tombstone.
    await notices.status(student_id, version=40)
    await notices.publisher.send(
        [OutboundRecord(notices.topics.status("finance"), student_id.encode(), None, TOMBSTONE_HEADERS)]
    )
    notices.versions[student_id, "finance"] = 0
    await notices.status(student_id, BLOCKED)
    await notices.status(student_id)
    await received(mails, student_id, 1)
    rows = await notices.rows("SELECT state FROM known_case WHERE student_id = $1", student_id)
    assert [row["state"] for row in rows] == ["open"]
    lines = await notices.rows("SELECT department, version FROM known_line WHERE student_id = $1", student_id)
    assert {tuple(row) for row in lines} == {("library", 1), ("finance", 2)}


async def test_an_end_after_january_2038_is_written_of_too(notices: RunningNotices, mails: MailServer) -> None:
    student_id = await notices.student()
    await notices.refused(student_id, at=datetime(2038, 2, 1, tzinfo=UTC))
    assert await received(mails, student_id, 1) == ["【离校服务】提交未成功，请查看"]
