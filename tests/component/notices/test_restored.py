"""A notice service whose database comes from a backup sends nothing again, and what it had not sent."""

import asyncpg
import pytest

from deploy.local.servers.server import Running
from tests.support.notices.mail_server import MailServer
from tests.support.notices.running import BLOCKED, RunningNotices, address_of
from tests.support.servers.backups import backup_of
from tests.support.waiting import eventually


@pytest.mark.acceptance("N-001")
async def test_after_a_restore_what_was_sent_since_the_backup_is_not_sent_again(
    notices: RunningNotices, mails: MailServer, postgres: Running
) -> None:
    student_id = await notices.student()
    await notices.status(student_id, BLOCKED)
    async with backup_of(postgres.address, notices.dsn) as backup:
        await notices.status(student_id)
        await notices.ended(student_id, "sent")
        await notices.accepted(student_id)
        await notices.ended(student_id, "sent", "sent")
        await eventually(lambda: _relayed(notices), what="the outbox to be empty", timeout_s=30)
        await backup.restore()
    await eventually(lambda: _read_again(notices, student_id), what="the topics to be read again", timeout_s=60)
    await notices.refused(student_id)
    await eventually(lambda: len(mails.to(address_of(student_id))) > 2, what="the next mail", timeout_s=60)
    subjects = [str(message["Subject"]) for message in mails.to(address_of(student_id))]
    assert subjects == ["【离校服务】有事项已通过", "【离校服务】提交成功", "【离校服务】提交未成功，请查看"]


async def _relayed(notices: RunningNotices) -> bool:
    return not await notices.rows("SELECT FROM outbox")


async def _read_again(notices: RunningNotices, student_id: str) -> bool:
    """Both occasions are there, and were collected into nothing or dropped."""
    try:
        rows = await notices.rows("SELECT FROM occasion WHERE student_id = $1 AND collected_at IS NOT NULL", student_id)
        waiting = await notices.rows("SELECT FROM notice WHERE student_id = $1 AND state = 'waiting'", student_id)
    except (asyncpg.PostgresError, OSError):
        return False
    return len(rows) == 2 and not waiting
