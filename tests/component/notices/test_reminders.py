"""Reminders that staff send: by commands on a real broker, to a real mail server."""

from datetime import timedelta
from uuid import uuid4

import pytest

from schemas.events import CaseState
from tests.support.notices.mail_server import MailServer
from tests.support.notices.running import BLOCKED, TOKEN, RunningNotices, address_of, now
from tests.support.waiting import eventually

LINE, OTHER = "finance/arrears", "finance/deposit"
SUBJECT = "【离校服务】提醒：您有事项尚未办理"


async def subjects(mails: MailServer, student_id: str, count: int) -> list[str]:
    """Of so many mails to the student, and of no more."""
    await eventually(lambda: len(mails.to(address_of(student_id))) >= count, what=f"{count} mails", timeout_s=30)
    found = [str(message["Subject"]) for message in mails.to(address_of(student_id))]
    assert len(found) == count
    return found


@pytest.fixture(autouse=True)
async def long_running(notices: RunningNotices) -> None:
    """Reminders of some days ago count."""
    await notices.rows("UPDATE notice_beginning SET at = now() - interval '30 days'")


async def open_student(notices: RunningNotices, **contact: object) -> str:
    student_id = await notices.student(**contact)
    await notices.status(student_id, BLOCKED)
    return student_id


@pytest.mark.acceptance("N-002")
async def test_a_reminder_is_one_mail_in_the_students_language_however_often_it_is_read(
    notices: RunningNotices, mails: MailServer
) -> None:
    zh, en = await open_student(notices), await open_student(notices, language="en")
    press = uuid4()
    for student_id in (zh, en):
        asked = await notices.remind(student_id, LINE, reminder_id=press)
        await notices.publish(notices.topics.command, student_id, asked)
    result = await notices.result(press, "sent")
    assert (result["known"], result["results"], result["missed"]) == (2, {"sent": 2}, [])
    for student_id in (zh, en):
        await notices.refused(student_id)
    assert await subjects(mails, zh, 2) == [SUBJECT, "【离校服务】提交未成功，请查看"]
    assert (await subjects(mails, en, 2))[0] == "[Departure clearance] Reminder: something still needs you"
    (message, _) = mails.to(address_of(zh))
    assert "尚未办理：" in message.get_content()
    assert zh not in message.as_string()
    acts = await notices.rows(
        "SELECT actor, outcome FROM audit.entry WHERE student_id = $1 AND act = $2", zh, "reminder.take"
    )
    assert [tuple(row) for row in acts] == [("clerk", "taken")]


@pytest.mark.acceptance("N-002")
async def test_a_line_is_not_reminded_of_again_within_the_interval_but_another_line_is(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await open_student(notices)
    first = await notices.remind(student_id, LINE, at=now() - timedelta(hours=1))
    await notices.result(first.reminder_id, "sent")
    again = await notices.remind(student_id, LINE)
    result = await notices.result(again.reminder_id, "recent")
    assert result["missed"] == [{"student_id": student_id, "result": "recent"}]
    both = await notices.remind(student_id, LINE, OTHER)
    await notices.result(both.reminder_id, "sent")
    assert await subjects(mails, student_id, 2) == [SUBJECT, SUBJECT]
    late = mails.to(address_of(student_id))[1].get_content()
    assert late.count("尚未办理：") == 1


@pytest.mark.acceptance("N-002")
async def test_after_the_interval_a_line_is_reminded_of_again(notices: RunningNotices, mails: MailServer) -> None:
    student_id = await open_student(notices)
    for days in (8, 4):
        asked = await notices.remind(student_id, LINE, at=now() - timedelta(days=days))
        await notices.result(asked.reminder_id, "sent")
    assert await subjects(mails, student_id, 2) == [SUBJECT, SUBJECT]


@pytest.mark.acceptance("N-002")
async def test_who_wants_no_notices_or_has_no_address_is_counted_and_not_written_to(
    notices: RunningNotices, mails: MailServer
) -> None:
    unwilling, unknown = await open_student(notices, muted=["mail"]), await open_student(notices, mail=None)
    press = uuid4()
    for student_id in (unwilling, unknown):
        await notices.remind(student_id, LINE, reminder_id=press)
    result = await notices.result(press, "unwanted", "no-address")
    assert {one["student_id"]: one["result"] for one in result["missed"]} == {
        unwilling: "unwanted",
        unknown: "no-address",
    }
    assert await notices.states(unwilling) == await notices.states(unknown) == []


@pytest.mark.acceptance("N-002")
async def test_what_is_done_when_the_reminder_is_taken_is_not_reminded_of(notices: RunningNotices) -> None:
    passed, gone, left_out = [await open_student(notices) for _ in range(3)]
    await notices.status(passed)
    await notices.case(gone, CaseState.COMPLETED, 2)
    await notices.requested(left_out, {"finance": ("arrears",)})

    async def waived_known() -> bool:
        rows = await notices.rows("SELECT waived FROM known_case WHERE student_id = $1", left_out)
        return "arrears" in rows[0]["waived"]

    await eventually(waived_known, what="the request to be read")
    press = uuid4()
    for student_id in (passed, gone, left_out):
        await notices.remind(student_id, LINE, reminder_id=press)
    assert (await notices.result(press, "done"))["results"] == {"done": 3}


@pytest.mark.acceptance("N-002")
async def test_what_is_done_between_the_press_and_the_sending_is_not_reminded_of(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await open_student(notices)
    mails.answer = lambda to: "450 later" if to == address_of(student_id) else None
    asked = await notices.remind(student_id, LINE)
    await eventually(lambda: mails.offered > 0, what="the reminder to be offered", timeout_s=30)
    await notices.result(asked.reminder_id, "waiting")
    await notices.status(student_id)
    mails.answer = lambda _: None
    await notices.result(asked.reminder_id, "done")
    assert all(str(one["Subject"]) != SUBJECT for one in mails.to(address_of(student_id)))
    await notices.status(student_id, BLOCKED)
    again = await notices.remind(student_id, LINE)
    await notices.result(again.reminder_id, "sent")


@pytest.mark.acceptance("N-002")
async def test_the_preview_counts_as_the_sending_does_and_shows_the_text(notices: RunningNotices) -> None:
    zh, en, unwilling, unknown, passed, reminded = [
        await open_student(notices, **contact)
        for contact in ({}, {"language": "en"}, {"muted": ["mail"]}, {"mail": None}, {}, {})
    ]
    await notices.status(passed)
    await notices.remind(reminded, LINE)
    everybody = (zh, en, unwilling, unknown, passed, reminded)
    students = [{"student_id": one, "checks": {"finance": ["arrears"]}} for one in everybody]
    found = await notices.asked("/reminders/preview", {"students": students})
    assert found["outcomes"] == {"taken": 2, "unwanted": 1, "no-address": 1, "done": 1, "recent": 1}
    assert (found["languages"], found["lines"], found["channels"]) == ({"zh": 1, "en": 1}, {LINE: 2}, ["mail"])
    assert found["texts"]["zh"]["subject"] == SUBJECT
    assert "Still to do: " in found["texts"]["en"]["body"]
    press = uuid4()
    for student_id in everybody:
        await notices.remind(student_id, LINE, reminder_id=press)
    result = await notices.result(press, "sent", "unwanted", "no-address", "done", "recent")
    assert {**result["results"], "taken": result["results"]["sent"]} == {**found["outcomes"], "sent": 2}


async def test_a_reminder_from_before_the_service_first_ran_is_not_sent(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await open_student(notices)
    await notices.rows("UPDATE notice_beginning SET at = now()")
    (row,) = await notices.rows("SELECT at - interval '1 second' AS before FROM notice_beginning")
    before = await open_student(notices)
    asked = await notices.remind(before, LINE)
    old = asked.model_copy(update={"student_id": student_id, "asked_at": row["before"], "reminder_id": uuid4()})
    await notices.publish(notices.topics.command, student_id, old)
    await notices.everything_read(student_id)
    fresh = await notices.remind(student_id, LINE)
    await notices.result(fresh.reminder_id, "sent")
    assert await subjects(mails, student_id, 1) == [SUBJECT]


async def test_a_forgotten_students_reminders_are_gone(notices: RunningNotices) -> None:
    student_id = await open_student(notices)
    asked = await notices.remind(student_id, LINE)
    await notices.result(asked.reminder_id, "sent")
    await notices.forget(student_id)

    async def gone() -> bool:
        return not await notices.rows("SELECT FROM reminder WHERE student_id = $1", student_id)

    await eventually(gone, what="the reminder to go", timeout_s=30)


async def test_only_the_role_of_reminders_reads_them(notices: RunningNotices) -> None:
    body = {"reminder_id": str(uuid4())}
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {TOKEN}x"}, 401)):
        answer = await notices.http.post("/reminders/query", json=body, headers=headers)
        assert answer.status_code == status
    assert (await notices.asked("/reminders/query", body))["known"] == 0
