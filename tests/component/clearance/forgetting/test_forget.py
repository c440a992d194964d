"""After `forget` no table of any service has the student number but the audits, and topics end in tombstones."""

import json

from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.audit.chain import ChainSealer, verify
from tests.component.clearance.forgetting.departures import finished, forget, mentioned
from tests.support.in_process.submission_harness import Harness
from tests.support.personal_data import AUDIT


async def test_after_forgetting_no_table_of_any_service_has_the_number_but_the_audits(harness: Harness) -> None:
    student_id, other = await finished(harness), await finished(harness)
    before = await mentioned(harness, student_id)
    assert before["library"] >= {
        "record",
        "desk_request",
        "attestation",
        "attempt_end",
        "command_done",
        "open_question",
    }
    assert before[CLEARANCE] >= {"student_case", "submission", "form_void", "issue", "status", "attempt", "proposal"}
    assert before[GATEWAY] == {"favourite", "session", "number_choice", "command", "dead_letter"}
    assert all({"dead_letter", "import_row"} <= before[name] for name in ("library", CLEARANCE))
    of_other = await mentioned(harness, other)

    erased = await forget(harness, student_id)
    assert erased["student_case"] == 1
    assert await harness.deliver_all() == []
    after = await mentioned(harness, student_id)
    assert {name for tables in after.values() for name in tables} == {AUDIT}
    assert set(after) == set(harness.services)
    assert await mentioned(harness, other) == of_other
    for service in harness.services.values():
        await ChainSealer(service.pool).seal()
        async with service.pool.acquire() as connection:
            assert (await verify(connection)).problems == ()


async def test_the_audit_of_each_service_says_who_had_the_student_forgotten_and_how_many_rows(harness: Harness) -> None:
    student_id = await finished(harness)
    await forget(harness, student_id)
    await harness.deliver_all()
    for name, service in harness.services.items():
        (row,) = await service.pool.fetch(
            "SELECT actor, outcome, details FROM audit.entry WHERE student_id = $1 AND act = 'student.forget'",
            student_id,
        )
        details = json.loads(row["details"])
        assert row["outcome"] == "forgotten"
        assert sum(details["rows"].values()) > 0
        if name == CLEARANCE:
            assert (row["actor"], details["reason"]) == ("operator-1", "保存期满")
        else:
            assert row["actor"] == "/lixiao/clearance"


async def test_forgetting_again_changes_nothing_and_publishes_the_tombstones_again(harness: Harness) -> None:
    student_id = await finished(harness)
    await forget(harness, student_id)
    await harness.deliver_all()
    after = await mentioned(harness, student_id)
    assert await forget(harness, student_id) == {}
    records = await harness.clearance.take_outbox()
    assert {(record.topic, record.value) for record in records} == {
        (harness.topics.case, None),
        (harness.topics.submission, None),
    }
    for record in records:
        await harness.deliver(record)
    await harness.deliver_all()
    assert await mentioned(harness, student_id) == after


async def test_every_state_that_topics_keep_has_a_tombstone_as_its_newest(harness: Harness) -> None:
    student_id = await finished(harness)
    await forget(harness, student_id)
    newest: dict[str, bytes | None] = {}
    while records := [one for service in harness.services.values() for one in await service.take_outbox()]:
        for record in records:
            assert record.key == student_id.encode()
            newest[record.topic] = record.value
            await harness.deliver(record)
    topics = harness.topics
    not_about_students = {topics.republication, *map(topics.audit, harness.services)}
    # An installation may leave the notice service out; it forgets in a test of its own.
    of_notices = {topics.sent, topics.audit(NOTICES)}
    assert set(newest) == {spec.name for spec in topics.specs(harness.departments)} - not_about_students - of_notices
    assert set(newest.values()) == {None}
