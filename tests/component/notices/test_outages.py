"""A mail server that is down, slow or refuses; and notices that an operator decides on."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from services.notices.__main__ import cli
from tests.support.notices.mail_server import MailServer
from tests.support.notices.running import RunningNotices, address_of
from tests.support.waiting import eventually

SETTINGS: Final[dict[str, Any]] = {"notice_timeout_s": 1.0}


async def tried(notices: RunningNotices, student_id: str, times: int) -> str:
    """The cause of the newest failure."""

    async def so() -> bool:
        rows = await notices.rows("SELECT tries FROM notice WHERE student_id = $1", student_id)
        return bool(rows) and rows[0]["tries"] >= times and await cause(notices, student_id) != ""

    await eventually(so, what=f"{times} tries", timeout_s=30)
    return await cause(notices, student_id)


async def cause(notices: RunningNotices, student_id: str) -> str:
    rows = await notices.rows("SELECT cause FROM notice WHERE student_id = $1", student_id)
    return rows[0]["cause"] or ""


def refusing(address: str, reply: str) -> Callable[[str], str | None]:
    return lambda recipient: reply if recipient == address else None


async def test_a_refusal_for_now_is_tried_again_until_the_server_takes_the_mail(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    mails.answer = refusing(address_of(student_id), "451 try later")
    await notices.refused(student_id)
    assert await tried(notices, student_id, 2) == "data 451"
    other = await notices.student()
    await notices.refused(other)
    await notices.ended(other, "sent")
    mails.answer = lambda _: None
    await notices.ended(student_id, "sent")
    assert len(mails.to(address_of(student_id))) == 1


async def test_a_slow_server_is_given_up_for_now_and_the_mail_comes_with_the_same_message_id(
    notices: RunningNotices, mails: MailServer
) -> None:
    student_id = await notices.student()
    mails.delay_s = 3.0
    await notices.refused(student_id)
    try:
        assert await tried(notices, student_id, 1)
    finally:
        mails.delay_s = 0.0
    await notices.ended(student_id, "sent")
    await eventually(lambda: bool(mails.to(address_of(student_id))), what="the mail", timeout_s=30)
    # What it took too late to say so came before: receivers know the second by its id.
    assert len({message["Message-ID"] for message in mails.to(address_of(student_id))}) == 1


async def test_a_mail_that_will_never_be_taken_is_dead_until_an_operator_sends_it_again(
    notices: RunningNotices, mails: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    student_id = await notices.student()
    mails.answer = refusing(address_of(student_id), "550 no such mailbox")
    await notices.refused(student_id)
    await notices.ended(student_id, "dead")
    assert "could not be sent" in (await _ready(notices))["warnings"]["notices"]
    monkeypatch.setenv("LIXIAO_DATABASE", notices.dsn)
    monkeypatch.setenv("LIXIAO_KAFKA", "127.0.0.1:9")
    (row,) = await notices.rows("SELECT notice_id FROM notice WHERE student_id = $1", student_id)
    listed = await _command("notices", "list")
    assert f"{row['notice_id']}  mail" in listed
    assert student_id not in listed
    assert address_of(student_id) not in listed
    mails.answer = lambda _: None
    assert "1 are sent again" in await _command("notices", "send-again", str(row["notice_id"]))
    await notices.ended(student_id, "sent")
    assert len(mails.to(address_of(student_id))) == 1
    acts = await notices.rows("SELECT act FROM audit.entry WHERE student_id = $1", student_id)
    assert "notice.send-again" in {entry["act"] for entry in acts}


async def test_a_mail_at_which_the_server_hangs_up_holds_up_no_other(
    notices: RunningNotices, mails: MailServer
) -> None:
    bad, *others = [await notices.student() for _ in range(12)]
    mails.hangs_up_on = address_of(bad)
    try:
        async with asyncio.TaskGroup() as publishing:
            for student_id in (bad, *others):
                publishing.create_task(notices.refused(student_id))
        for student_id in others:
            await notices.ended(student_id, "sent")
        assert await notices.states(bad) == ["waiting"]
    finally:
        mails.hangs_up_on = ""
    await notices.ended(bad, "sent")


@pytest.mark.parametrize("address", ["=?utf-8?q??=@example.edu", "=?utf-8?b?5byg?=@example.edu"])
async def test_an_address_that_mail_reads_as_another_is_refused_and_holds_up_nobody(
    notices: RunningNotices, mails: MailServer, address: str
) -> None:
    strange, other = await notices.student(), await notices.student()
    await notices.rows("UPDATE contact SET mail = $2 WHERE student_id = $1", strange, address)
    await notices.refused(strange)
    await notices.ended(strange, "dead")
    assert await cause(notices, strange) == "address"
    await notices.refused(other)
    await notices.ended(other, "sent")


async def test_a_discarded_notice_is_never_sent(
    notices: RunningNotices, mails: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    student_id = await notices.student()
    mails.answer = refusing(address_of(student_id), "554 not wanted")
    await notices.refused(student_id)
    await notices.ended(student_id, "dead")
    mails.answer = lambda _: None
    monkeypatch.setenv("LIXIAO_DATABASE", notices.dsn)
    monkeypatch.setenv("LIXIAO_KAFKA", "127.0.0.1:9")
    (row,) = await notices.rows("SELECT notice_id FROM notice WHERE student_id = $1", student_id)
    assert "1 discarded" in await _command("notices", "discard", str(row["notice_id"]), "--why", "wrong address")
    other = await notices.student()
    await notices.refused(other)
    await notices.ended(other, "sent")
    assert await notices.states(student_id) == ["dropped"]
    assert mails.to(address_of(student_id)) == []


async def _command(*arguments: str) -> str:
    """In a thread: it runs a loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


async def _ready(notices: RunningNotices) -> dict[str, Any]:
    answer: dict[str, Any] = (await notices.http.get("/health/ready")).json()
    return answer
