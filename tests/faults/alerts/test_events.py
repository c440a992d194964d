"""Alerts about events and what they are about: repeated, lost, refused and unanswered ones; a certificate that ends."""

from pathlib import Path

import asyncpg

from deploy.local.installation import Installation
from schemas.flows import CLEARANCE, GATEWAY
from services.gateway.tables.commands import StudentCommandTable
from services.kit.messaging.outbox import Wakeup
from tests.faults.alerts.watching import until_named, until_nothing_is_named, until_quiet
from tests.support.certificates import Authority
from tests.support.gateway.sessions import session_of_person
from tests.support.in_process.services import CLEAR
from tests.support.kafka.topics import Producer, everything, recreate
from tests.support.servers.prometheus import Prometheus

SECURED = "library:2"


async def test_an_older_version_behind_a_newer_one_is_named(watched: Installation, prometheus: Prometheus) -> None:
    """The view hides the line, so that it differs from the department."""
    (student_id,) = await watched.students(1)
    await watched.operate("library", "fine", student_id=student_id, fine_id="F-newer", amount="1.00")
    await watched.in_step("library", students=[student_id])
    await until_quiet(prometheus, "OlderVersions", "ViewDiffers")
    topic = watched.topics.status("library")
    older = next(one for one in await everything(watched.kafka, topic) if one.key == student_id.encode())
    async with Producer(watched.kafka) as producer:
        await producer.send(topic, older.key, older.value, older.headers)
    await until_named(prometheus, "OlderVersions", "ViewDiffers")
    await until_quiet(prometheus, "OlderVersions", "ViewDiffers")


async def test_a_row_that_was_refused_is_named(watched: Installation, prometheus: Prometheus) -> None:
    (student_id,) = await watched.students(1)
    await until_quiet(prometheus, "QuestionsOpen")
    await _import(watched, f"student_id,fine_id,fine_amount\n{student_id},F-refused,-1\n")
    await until_named(prometheus, "QuestionsOpen")
    await _import(watched, f"student_id,fine_id,fine_amount\n{student_id},F-refused,1.00\n")
    await until_quiet(prometheus, "QuestionsOpen")


async def _import(watched: Installation, file: str) -> None:
    answer = await watched.client("library").post("/imports", content=file, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 202, answer.text


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
    prometheus = Prometheus(tmp_path, targets, authority=authority.certificate).start()
    try:
        await until_named(prometheus, "CertificateEnds")
    finally:
        prometheus.stop()
        watched.stop(SECURED)
        watched.configure("library", LIXIAO_TLS_CERTIFICATE="", LIXIAO_TLS_KEY="")


async def test_a_topic_that_was_made_anew_is_named(watched: Installation, prometheus: Prometheus) -> None:
    await watched.in_step("library")
    assert "RecordsLost" not in await prometheus.firing()
    await recreate(watched.kafka, watched.topics, tuple(watched.departments), watched.topics.status("library"))
    await until_named(prometheus, "RecordsLost")
    (student_id,) = await watched.students(1)
    await watched.in_step("library", students=[student_id])


async def test_what_has_no_fault_is_not_named(prometheus: Prometheus) -> None:
    await until_nothing_is_named(prometheus)
