"""From a desk to a student's mailbox, also through a sender that is killed, and from a clerk's list."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.installation import Installation
from deploy.local.servers.kafka import RunningKafka
from deploy.local.servers.server import Running
from deploy.local.services import IDENTITY
from deploy.observability.boards import DASHBOARDS
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.provisioning.accounts import staff_account
from tests.support.gateway.reminders import csrf_of, fields_of, form_of
from tests.support.gateway.server import sign_in
from tests.support.gateway.staff import clerk
from tests.support.notices.mail_server import MailServer, mail_server
from tests.support.notices.running import FROM
from tests.support.servers.prometheus import Prometheus
from tests.support.waiting import eventually

LIBRARIAN = clerk("library", name="方石")
LEASE_OVER = "UPDATE notice SET due_at = now() WHERE state = 'waiting'"


@pytest.fixture(scope="module")
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture(scope="module")
async def desks(
    postgres: Running, kafka: RunningKafka, mails: MailServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One department, the clearance, the gateway and the notice service."""
    installation = Installation(tmp_path_factory.mktemp("notices"), postgres=postgres.address, kafka=kafka.address)
    installation.people.append(LIBRARIAN)
    await installation.provision()
    staff = {"address": installation.address(NOTICES), "token": installation.accounts.token(staff_account(NOTICES))}
    installation.configure(GATEWAY, LIXIAO_NOTICES=json.dumps(staff))
    installation.configure(
        NOTICES,
        LIXIAO_SMTP_HOST="127.0.0.1",
        LIXIAO_SMTP_PORT=str(mails.port),
        LIXIAO_SMTP_TLS="none",
        LIXIAO_MAIL_FROM=FROM,
        LIXIAO_NOTICE_WINDOW_S="0",
        LIXIAO_NOTICE_QUIET="00:00-00:00",
    )
    try:
        await installation.start("library", CLEARANCE, NOTICES, IDENTITY, GATEWAY)
        yield installation
    finally:
        await installation.close()


async def reachable_student(desks: Installation, address: str) -> str:
    """On the roster, with a thesis that is open and known to be. What turned before the address is there is no mail."""
    student_id = await desks.enrol()
    await desks.opened("library", [student_id])
    await desks.put("library", student_id, {"card": "active", "thesis": "returned"})
    await known(desks, student_id)
    answer = await desks.client(NOTICES).put("/contacts", json={"student_id": student_id, "mail": address})
    assert answer.status_code == 200, answer.text
    return student_id


async def known(desks: Installation, student_id: str) -> None:
    """The notice service has read the library's newest status of the student, and collected what it led to."""
    published, _ = (await desks.published("library"))[student_id]

    async def read() -> bool:
        database = await desks.database(NOTICES)
        version = await database.fetchval(
            "SELECT version FROM known_line WHERE student_id = $1 AND department = 'library'", student_id
        )
        waiting = "SELECT count(*) FROM occasion WHERE student_id = $1 AND collected_at IS NULL"
        return bool(version == published) and await database.fetchval(waiting, student_id) == 0

    await eventually(read, what="the notice service to know the library's status", timeout_s=30)


async def approve(desks: Installation, student_id: str) -> None:
    """One line turns; the other stays open."""
    await desks.put("library", student_id, {"card": "active", "thesis": "approved"})


@pytest.mark.acceptance("N-001")
async def test_what_a_desk_settles_is_in_the_students_mailbox(desks: Installation, mails: MailServer) -> None:
    student_id = await reachable_student(desks, "first@students.example.edu")
    await approve(desks, student_id)
    await eventually(lambda: bool(mails.to("first@students.example.edu")), what="the mail", timeout_s=30)
    (message,) = mails.to("first@students.example.edu")
    assert message["Subject"] == "【离校服务】有事项已通过"
    assert "/case" in message.get_content()
    assert student_id not in message.get_content()
    log = desks.logs()[NOTICES]
    assert student_id not in log
    assert "students.example.edu" not in log


async def test_every_panel_about_notices_has_data(desks: Installation, tmp_path: Path) -> None:
    prometheus = Prometheus(tmp_path, {NOTICES: desks.operator_address(NOTICES)}).start()
    try:
        (board,) = [each for each in DASHBOARDS if each.service == NOTICES]
        for panel in board.panels:
            for query in panel.queries:

                async def shown(expression: str = query.expression) -> bool:
                    return bool(await prometheus.series(expression))

                await eventually(shown, what=f"data of {panel.title}", timeout_s=30, poll_s=0.5)
    finally:
        prometheus.stop()


@pytest.mark.acceptance("N-001")
async def test_a_sender_killed_before_it_noted_the_sending_sends_again_under_the_same_message_id(
    desks: Installation, mails: MailServer
) -> None:
    student_id = await reachable_student(desks, "second@students.example.edu")
    desks.stop(NOTICES)
    await desks.start(NOTICES, failpoint="notice.after_send")
    await approve(desks, student_id)
    await desks.crashed(NOTICES)
    assert len(mails.to("second@students.example.edu")) == 1
    await desks.start(NOTICES)
    await (await desks.database(NOTICES)).execute(LEASE_OVER)
    await eventually(lambda: len(mails.to("second@students.example.edu")) == 2, what="the mail again", timeout_s=90)
    first, second = mails.to("second@students.example.edu")
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content() == second.get_content()


@pytest.mark.acceptance("N-002")
async def test_whom_a_clerk_reminds_has_it_in_the_mailbox(desks: Installation, mails: MailServer) -> None:
    await reachable_student(desks, "third@students.example.edu")
    browser = await sign_in(desks, LIBRARIAN)
    csrf = await csrf_of(browser, "/staff/library")
    address, fields = form_of((await browser.post("/staff/library/remind", {"csrf": csrf})).text)
    assert (await browser.post(address, fields_of(fields))).status_code == 303
    await eventually(lambda: bool(mails.to("third@students.example.edu")), what="the reminder", timeout_s=60)
    (message,) = mails.to("third@students.example.edu")
    assert message["Subject"] == "【离校服务】提醒：您有事项尚未办理"
    assert "论文提交" in message.get_content()
    await browser.close()
