"""After `forget` no table of any service has the student number, but the audits; and nothing brings it back."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from schemas.events import CaseChanged, CaseState, CommandAsked, SubmissionRefused, SubmitAsked
from schemas.flows import CLEARANCE, GATEWAY
from services.clearance.approvals.actions import ActionRefused, action_registry
from services.clearance.forgetting.actions import NAME, ForgetBody, forget_action
from services.clearance.forgetting.calendar import CalendarForgetting
from services.clearance.forgetting.forget import Decided, Forgetting
from services.clearance.parts import decisions_of
from services.kit.audit.chain import ChainSealer, verify
from services.kit.clearance_policy import ClearancePolicy
from services.kit.http.idempotency import IdempotencyKey
from services.kit.messaging.outbox import Wakeup
from services.kit.operations import Held
from services.kit.rules.reasons import ROW_IMPORTED
from tests.support.in_process.after_acceptance import hand_over, put, submitted, void, withdraw
from tests.support.in_process.services import CLEAR, record_of
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWING, Harness
from tests.support.personal_data import AUDIT, tables_that_mention

OPERATOR: Final = Decided("operator-1", "保存期满")
GATEWAY_ROWS: Final = (
    "INSERT INTO favourite VALUES ($1, now())",
    """INSERT INTO session (id_hash, student_id, csrf, issuer, subject, authenticated_at, started_at, seen_at,
                            expires_at)
    VALUES (sha256(convert_to($1, 'UTF8')), $1, 'c', 'i', 's', now(), now(), now(), now() + interval '1 hour')""",
    """INSERT INTO number_choice (id_hash, csrf, issuer, subject, authenticated_at, roles, student_ids, destination,
                                  expires_at)
    VALUES (sha256(convert_to($1, 'UTF8')), 'c', 'i', 's', now(), '{}', ARRAY[$1, 'TS0000000009'], '/', now())""",
    """INSERT INTO command (command_id, student_id, department, name, asked_at)
    VALUES (gen_random_uuid(), $1, 'library', 'cancel-card', now())""",
)


async def forget(harness: Harness, student_id: str, decided: Decided = OPERATOR) -> dict[str, int]:
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        return await Forgetting(harness.topics).forget(connection, student_id, decided)


async def mentioned(harness: Harness, number: str) -> dict[str, set[str]]:
    """Service → tables with the number."""
    return {
        name: set(tables)
        for name, service in harness.services.items()
        if (tables := await tables_that_mention(service.pool, number))
    }


async def fill(harness: Harness, student_id: str) -> None:
    """Something about the student in every table that has anything about a student."""
    for name, desk in harness.desks.items():
        key = IdempotencyKey.of("desk", f"key-{uuid4()}", name)
        await desk.change(student_id, lambda record: (record, ROW_IMPORTED()), now=datetime.now(UTC), key=key)
        await _rejected_row(harness.services[name].pool, student_id)
        await harness.services[name].pool.execute(
            "INSERT INTO open_question (student_id, problems, opened_by, opened_at, closed_at, closed_how)"
            " VALUES ($1, '[]', 'desk', now(), now(), 'ended')",
            student_id,
        )
    await _rejected_row(harness.clearance.pool, student_id)
    await harness.command(student_id, "cancel-card", uuid4())
    for statement in GATEWAY_ROWS:
        await harness.services[GATEWAY].pool.execute(statement, student_id)
    # The number in the value only, in the key only, and in bytes that are no JSON.
    for record_key, value in (
        ("TS1", f'{{"student_id":"{student_id}"}}'),
        (student_id, "{"),
        ("?", f"\xff {student_id}"),
    ):
        for topic in (harness.topics.submission, harness.topics.command, harness.topics.status("library")):
            await harness.deliver(record_of(topic, record_key.encode(), value.encode("latin-1")))
    await harness.deliver_all()


async def _rejected_row(pool: Any, student_id: str) -> None:
    job_id = uuid4()
    await pool.execute(
        "INSERT INTO import_job (job_id, kind, format, encoding, sha256, uploaded_by, uploaded_at, state, rows_total,"
        " rejected, finished_at) VALUES ($1, 'k', 'csv', 'utf-8', sha256('a'), 'desk', now(), 'done', 2, 2, now())",
        job_id,
    )
    full_width = student_id.lower().translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    for number, (cells, read) in enumerate((({"读者证号": full_width}, None), ({"a": "b"}, student_id)), start=1):
        await pool.execute(
            "INSERT INTO import_row (job_id, row_number, state, cells, problems, student_id)"
            " VALUES ($1, $2, 'rejected', $3, '[]', $4)",
            job_id,
            number,
            json.dumps(cells, ensure_ascii=False),
            read,
        )


async def finished(harness: Harness) -> str:
    """A departure with everything there is: a refused attempt, a void form, a hand-over, a closed exception."""
    student_id, first = await submitted(harness)
    await fill(harness, student_id)
    await void(harness, student_id, first)
    await harness.deliver_all()
    await harness.set("library", student_id, OWING.model_dump())
    await harness.deliver_all()
    await harness.submitted(student_id)
    await harness.set("library", student_id, CLEAR_LIBRARY.model_dump())
    await harness.deliver_all()
    await harness.submitted(student_id)
    form = await harness.submission(student_id)
    assert form is not None
    assert form["form_number"] != first
    await harness.set("library", student_id, OWING.model_dump())
    await harness.deliver_all()
    await harness.set("library", student_id, CLEAR_LIBRARY.model_dump())
    await harness.deliver_all()
    assert await hand_over(harness, student_id, form["form_number"]) == "issued"
    assert await hand_over(harness, student_id, first) == "void"
    return student_id


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
    assert set(newest) == {spec.name for spec in topics.specs(harness.departments)} - {topics.republication}
    assert set(newest.values()) == {None}


async def test_what_was_on_its_way_meanwhile_goes_with_the_next_tombstone(harness: Harness) -> None:
    student_id = await finished(harness)
    now = datetime.now(UTC)
    late = [
        (harness.topics.command, SubmitAsked(command_id=uuid4(), student_id=student_id, asked_at=now)),
        (
            harness.topics.command,
            CommandAsked(
                command_id=uuid4(), student_id=student_id, department="library", command="cancel-card", asked_at=now
            ),
        ),
        (
            harness.topics.submission,
            SubmissionRefused(attempt_id=uuid4(), student_id=student_id, cause="expired", refused_at=now),
        ),
    ]
    await forget(harness, student_id)
    case, submission = await harness.clearance.take_outbox()
    assert (case.topic, submission.topic) == (harness.topics.case, harness.topics.submission)
    await harness.deliver(case)
    for topic, event in late:
        await harness.deliver(harness.record(topic, event))
    left = await mentioned(harness, student_id)
    assert left["library"] > {AUDIT}
    assert left[CLEARANCE] > {AUDIT}
    await harness.deliver(submission)
    await harness.deliver_all()
    after = await mentioned(harness, student_id)
    assert {name for tables in after.values() for name in tables} == {AUDIT}


async def test_a_late_tombstone_takes_nothing_from_a_student_who_has_a_case_again(harness: Harness) -> None:
    student_id = await finished(harness)
    await forget(harness, student_id)
    case, submission = await harness.clearance.take_outbox()
    await harness.deliver(case)
    await put(harness, student_id)
    await harness.deliver_all()
    await harness.set("library", student_id, OWING.model_dump())
    await harness.deliver(submission)
    await harness.deliver_all()
    assert (await harness.desks["library"].read(student_id)).record == OWING
    rows = await harness.clearance.pool.fetch(
        "SELECT department, version, readable FROM published.status_v1 WHERE student_id = $1", student_id
    )
    assert {row["department"]: row["readable"] for row in rows} == dict.fromkeys(harness.departments, True)
    # And the whole round works anew, from a first version and a first form.
    for department, record in CLEAR.items():
        await harness.set(department, student_id, record)
    await harness.deliver_all()
    await harness.submitted(student_id)
    assert await harness.submission(student_id) is not None


async def test_an_unfinished_departure_is_refused_with_what_is_missing(harness: Harness) -> None:
    open_case = await harness.student()
    not_handed_over, _ = await submitted(harness)
    deciding = await harness.student()
    await harness.submit(deciding)
    for student_id, slug in (
        (open_case, "case-open"),
        (not_handed_over, "not-handed-over"),
        (deciding, "attempt-open"),
        ("TS0000000404", "unknown-student"),
    ):
        before = await mentioned(harness, student_id)
        with pytest.raises(ActionRefused) as refused:
            await forget(harness, student_id)
        assert refused.value.slug == slug
        assert await mentioned(harness, student_id) == before
    await harness.deliver_all()


async def test_a_student_who_was_taken_off_the_roster_is_finished(harness: Harness) -> None:
    student_id = await harness.student()
    await withdraw(harness, student_id)
    await harness.deliver_all()
    await forget(harness, student_id)
    await harness.deliver_all()
    assert {name for tables in (await mentioned(harness, student_id)).values() for name in tables} == {AUDIT}


async def test_a_former_number_is_forgotten_with_the_current_one_and_not_alone(harness: Harness) -> None:
    student_id, former = await harness.student(), await harness.student()
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await harness.roster.join(connection, student_id, former, now=datetime.now(UTC))
    await harness.deliver_all()
    await harness.submitted(student_id)
    form = await harness.submission(student_id)
    assert form is not None
    assert await hand_over(harness, student_id, form["form_number"]) == "issued"
    with pytest.raises(ActionRefused) as refused:
        await forget(harness, former)
    assert refused.value.slug == "former-number"
    await forget(harness, student_id)
    await harness.deliver_all()
    for number in (student_id, former):
        assert {name for tables in (await mentioned(harness, number)).values() for name in tables} == {AUDIT}


async def test_two_persons_have_an_unfinished_departure_forgotten_and_never_one(harness: Harness) -> None:
    action = forget_action(Forgetting(harness.topics))
    with pytest.raises(ValueError, match="always decided by two persons"):
        action_registry([action], frozenset({NAME}))
    decisions, student_id = decisions_of(ClearancePolicy(), [action]), await harness.student()
    body = ForgetBody(student_id=student_id, reason="本人依法申请删除")
    pool = harness.clearance.pool
    async with pool.acquire() as connection, connection.transaction():
        proposal = await decisions.propose(connection, action, body, IdempotencyKey.of("clerk-1", "key-0001", NAME))
    assert await harness.deliver_all() == []
    assert await pool.fetchval("SELECT count(*) FROM student_case WHERE student_id = $1", student_id) == 1
    async with pool.acquire() as connection, connection.transaction():
        await decisions.confirm(connection, proposal.proposal_id, by="dean-1")
    await harness.deliver_all()
    assert {name for tables in (await mentioned(harness, student_id)).values() for name in tables} == {AUDIT}
    details = json.loads(
        await pool.fetchval(
            "SELECT details FROM audit.entry WHERE student_id = $1 AND act = 'student.forget'", student_id
        )
    )
    assert (details["proposed_by"], details["reason"]) == ("clerk-1", "本人依法申请删除")


async def test_finished_departures_are_forgotten_by_the_calendar_and_unfinished_ones_never(harness: Harness) -> None:
    student_id, unfinished = await finished(harness), await harness.student()
    not_handed_over, _ = await submitted(harness)
    for days, known in ((364.9, True), (365.1, False)):
        calendar = CalendarForgetting(
            harness.clearance.pool,
            Forgetting(harness.topics),
            Wakeup(),
            after_days=365,
            clock=lambda days=days: datetime.fromtimestamp(datetime.now(UTC).timestamp() + days * 86_400, UTC),  # type: ignore[misc]
        )
        await calendar.once()
        await harness.deliver_all()
        assert bool((await mentioned(harness, student_id))["library"] - {AUDIT}) is known
    for kept in (unfinished, not_handed_over):
        assert (await mentioned(harness, kept))[CLEARANCE] >= {"student_case"}


async def test_a_hold_of_a_forgotten_student_holds_nothing_any_more(harness: Harness) -> None:
    """The case's tombstone may overtake the end of an attempt, which is on another topic."""
    student_id = await harness.student()
    await harness.submit(student_id)
    await harness.ask_departments(await harness.question(), "library")
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING.model_dump())
    library = harness.departments["library"]
    await library.receive([record_of(harness.topics.case, student_id.encode(), None)])
    await harness.set("library", student_id, OWING.model_dump())
    await library.receive(
        [
            harness.record(
                harness.topics.case,
                CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=datetime.now(UTC)),
            )
        ]
    )
    assert not (await harness.desks["library"].read(student_id)).assessment.clear
    await harness.deliver_all()


async def test_what_runs_at_the_same_time_is_forgotten_too(harness: Harness) -> None:
    for _ in range(8):
        student_id = await harness.student()
        await withdraw(harness, student_id)
        await harness.deliver_all()
        await harness.set("finance", student_id, {})
        command = SubmitAsked(command_id=uuid4(), student_id=student_id, asked_at=datetime.now(UTC))
        status = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=datetime.now(UTC))
        await asyncio.gather(
            harness.clearance.receive([harness.record(harness.topics.command, command)]),
            harness.set("library", student_id, OWING.model_dump()),
            harness.departments["dorm"].receive([harness.record(harness.topics.case, status)]),
            harness.clearance.receive([record_of(harness.topics.status("dorm"), student_id.encode(), b"{")]),
            forget(harness, student_id),
        )
        await harness.deliver_all()
        left = {name for tables in (await mentioned(harness, student_id)).values() for name in tables}
        assert left == {AUDIT}
