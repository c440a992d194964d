"""Alerts on the running system about what does not answer: each fault is named, by `status` too, in words."""

import asyncio
from itertools import cycle
from pathlib import Path

import asyncpg

from deploy.local.installation import Installation
from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.servers.kafka import Kafka
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.gateway.tables.commands import StudentCommandTable
from services.kit.messaging.outbox import Wakeup
from tests.faults.alerts.watching import NAMED_WITHIN_S, until_named, until_nothing_is_named, until_quiet
from tests.support.certificates import Authority
from tests.support.gateway.sessions import session_of_person
from tests.support.in_process.services import CLEAR
from tests.support.kafka.topics import Producer
from tests.support.servers.prometheus import Prometheus
from tests.support.status_command import InstallationCommands
from tests.support.waiting import eventually

SECURED = "library:2"


async def test_a_frozen_department_is_named(
    watched: Installation, prometheus: Prometheus, commands: InstallationCommands
) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "ServiceDown", "DepartmentSilent", "NotCompared")
    watched.processes["library"].pause()
    try:
        await until_named(prometheus, "ServiceDown", "DepartmentSilent", "NotCompared")
        down = await prometheus.series('ALERTS{alertname="ServiceDown", alertstate="firing"}')
        assert [one["metric"]["job"] for one in down] == ["library"]
        said = await commands.run("status")
        assert said.exit_code == 1
        for words in ("library does not answer", "Nothing is heard of library", "docs/runbooks/service-down.md"):
            assert words in said.output
        assert "does not answer in time: its process hangs" in said.output
        assert (await commands.run("status", "--json")).output.startswith("{"), "nothing that is logged is before it"
        traced = await commands.run("trace", typed=f"{student_id}\n")
        assert traced.exit_code == 2
        assert "library" in traced.output
    finally:
        watched.processes["library"].resume()
    await until_quiet(prometheus, "ServiceDown", "DepartmentSilent", "NotCompared")

    async def well() -> bool:
        return not {"ServiceDown library", "DepartmentSilent library"} & await commands.names()

    await eventually(well, what="status to name the library no more", timeout_s=NAMED_WITHIN_S)


async def test_a_broker_that_is_away_is_named(
    watched: Installation, prometheus: Prometheus, broker: Kafka, commands: InstallationCommands
) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "EventsWaiting")
    broker.pause()
    try:
        await watched.operate("library", "fine", student_id=student_id, fine_id="F-away", amount="1.00")
        await until_named(prometheus, "EventsWaiting")

        async def waiting() -> bool:
            # The alert is provoked sooner than the command names it.
            return bool({"EventsWaiting library", "ServiceDown library"} & await commands.names())

        await eventually(waiting, what="status to say that events wait", timeout_s=NAMED_WITHIN_S)
        traced = (await commands.run("trace", "--json", typed=f"{student_id}\n")).document
        library = next(one for one in traced["steps"] if one["department"] == "library")
        assert (library["finding"], library["published"]["unsent"]) == ("in-outbox", 1)
    finally:
        broker.resume()
    await until_quiet(prometheus, "EventsWaiting")
    await watched.in_step("library", students=[student_id], timeout_s=60)
    traced = await commands.run("trace", typed=f"{student_id}\n", more={"LIXIAO_FRESHNESS_BOUND_S": "600"})
    for words in ("desk.fine changed", "The view has what the department has", ".library.status.v1 / "):
        assert words in traced.output


async def test_a_record_that_nobody_can_read_is_named(
    watched: Installation, prometheus: Prometheus, commands: InstallationCommands
) -> None:
    (student_id,) = await watched.students(1)
    assert "DeadLetters" not in await prometheus.firing()
    async with Producer(watched.kafka) as producer:
        await producer.send(watched.topics.status("library"), student_id.encode(), b"no event", ())
    await until_named(prometheus, "DeadLetters")
    problems = (await commands.run("status", "--json")).document["problems"]
    letters = next(one for one in problems if (one["name"], one["subject"]) == ("DeadLetters", CLEARANCE))
    assert (letters["runbook"], letters["since"] is None) == ("docs/runbooks/dead-letters.md", False)
    assert student_id not in str(problems)


async def test_a_submission_that_departments_do_not_answer_is_named(
    watched: Installation, prometheus: Prometheus
) -> None:
    """Only one department runs."""
    (student_id,) = await watched.students(1)
    await watched.put("library", student_id, CLEAR["library"])
    assert "AttemptsExpire" not in await prometheus.firing()
    async with asyncpg.create_pool(watched.database_dsn(GATEWAY), min_size=1, max_size=1) as pool:
        await StudentCommandTable(pool, watched.topics, Wakeup()).request(session_of_person(student_id), "", "submit")
    await until_named(prometheus, "AttemptsExpire")


async def test_a_certificate_that_ends_is_named(watched: Installation, tmp_path: Path) -> None:
    """Of a second process of the department, which a Prometheus of its own reads over TLS."""
    authority = Authority("an authority of the university")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    authority.pair("library").write(certificate, key)
    watched.configure("library", LIXIAO_TLS_CERTIFICATE=str(certificate), LIXIAO_TLS_KEY=str(key))
    # Its readiness is asked without TLS.
    await watched.start(SECURED, wait=False)
    targets = {SECURED: watched.operator_address(SECURED)}
    prometheus = await asyncio.to_thread(Prometheus(tmp_path, targets, authority=authority.certificate).start)
    try:
        await until_named(prometheus, "CertificateEnds")
    finally:
        prometheus.stop()
        await asyncio.to_thread(watched.stop, SECURED)
        watched.configure("library", LIXIAO_TLS_CERTIFICATE="", LIXIAO_TLS_KEY="")


async def test_a_notice_that_was_given_up_is_named(watched: Installation, tmp_path: Path) -> None:
    """No mail server is there. A line turns again and again: what turned before the service read it is no notice."""
    (student_id,) = await watched.students(1)
    watched.configure(
        NOTICES,
        LIXIAO_SMTP_HOST=LOOPBACK,
        LIXIAO_SMTP_PORT=str(free_port()),
        LIXIAO_SMTP_TLS="none",
        LIXIAO_MAIL_FROM="notices@example.edu",
        LIXIAO_NOTICE_WINDOW_S="0",
        LIXIAO_NOTICE_QUIET="00:00-00:00",
        LIXIAO_NOTICE_GIVE_UP_S="0",
    )
    await watched.start(NOTICES)
    prometheus = Prometheus(tmp_path, {NOTICES: watched.operator_address(NOTICES)})
    await asyncio.to_thread(prometheus.start)
    try:
        contact = {"student_id": student_id, "mail": "given-up@students.example.edu"}
        assert (await watched.client(NOTICES).put("/contacts", json=contact)).status_code == 200
        named = asyncio.create_task(until_named(prometheus, "NoticesDead"))
        for thesis in cycle(("returned", "approved")):
            if named.done():
                break
            await watched.put("library", student_id, {"card": "active", "thesis": thesis})
            await asyncio.sleep(1)
        await named
    finally:
        prometheus.stop()
        await asyncio.to_thread(watched.stop, NOTICES)


async def test_what_has_no_fault_is_not_named(watched: Installation, prometheus: Prometheus) -> None:
    await until_nothing_is_named(prometheus)
