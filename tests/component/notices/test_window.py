"""Lines that turn within the window of a notice go together, and one that turns back not at all."""

from typing import Any, Final

import pytest

from tests.support.notices.mail_server import MailServer
from tests.support.notices.running import BLOCKED, RunningNotices, address_of
from tests.support.waiting import eventually

SETTINGS: Final[dict[str, Any]] = {"notice_window_s": 3_600.0}


async def window_over(notices: RunningNotices, student_id: str) -> None:
    await notices.rows(
        "UPDATE occasion SET due_at = now() WHERE student_id = $1 AND collected_at IS NULL RETURNING 1", student_id
    )


@pytest.mark.acceptance("N-001")
async def test_lines_of_one_window_are_one_mail_and_a_flicker_is_none(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    for department, check in (("finance", "arrears"), ("library", "thesis"), ("dorm", "check-out")):
        await notices.status(student_id, BLOCKED, department=department, check=check)
    await notices.status(student_id)
    await notices.status(student_id, department="library", check="thesis")
    await notices.status(student_id, department="dorm", check="check-out")
    await notices.status(student_id, BLOCKED, department="dorm", check="check-out")
    assert await notices.states(student_id) == []
    await window_over(notices, student_id)
    await eventually(lambda: bool(mails.to(address_of(student_id))), what="the mail", timeout_s=30)
    (message,) = mails.to(address_of(student_id))
    lines = [line for line in message.get_content().splitlines() if line.startswith(("通过", "需要办理"))]
    assert len(lines) == 2
    assert "退宿" not in message.get_content()
    await notices.ended(student_id, "sent")


async def test_the_end_of_a_submission_waits_for_no_window(notices: RunningNotices, mails: MailServer) -> None:
    student_id = await notices.student()
    await notices.status(student_id, BLOCKED)
    await notices.status(student_id)
    await notices.accepted(student_id)
    await eventually(lambda: bool(mails.to(address_of(student_id))), what="the mail", timeout_s=30)
    (message,) = mails.to(address_of(student_id))
    assert message["Subject"] == "【离校服务】提交成功"
    assert "通过：" not in message.get_content()
    await window_over(notices, student_id)
    await eventually(lambda: len(mails.to(address_of(student_id))) == 2, what="the line's mail", timeout_s=30)
