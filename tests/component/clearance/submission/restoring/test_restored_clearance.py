"""The clearance's database is restored from a backup: every end since comes back from its own topic, as it was."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deploy.local.servers.server import Running
from schemas.events import (
    AttestationGiven,
    CaseChanged,
    CaseState,
    FormWaiver,
    Message,
    SubmissionAccepted,
    SubmissionRefused,
)
from services.clearance.exemptions.actions import NOT_APPLICABLE, WITHDRAW
from services.clearance.forgetting.forget import Decided, Forgetting
from services.clearance.receipts.private_keys.files import FileKeys
from services.clearance.receipts.signing_keys import Keyring
from services.kit.manifests import required_checks
from services.kit.rules.waivers import WaiverKind
from services.kit.student_numbers import NumberForm, use_number_form
from tests.support.clearance.exemptions import decide, exemption_decisions, until
from tests.support.in_process.after_acceptance import forms as forms_of
from tests.support.in_process.after_acceptance import void
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWING, Harness, of, submission_harness
from tests.support.samples.roster_students import person
from tests.support.servers.backups import Backup
from tests.support.servers.fixtures import DatabaseMaker

_FORMS = "SELECT * FROM published.submission_v2 ORDER BY form_number"


@pytest.fixture
async def harness(make_database: DatabaseMaker, tmp_path: Path) -> AsyncIterator[Harness]:
    async with submission_harness(make_database, tmp_path) as made:
        yield made


class ClearanceBackup(Backup):
    """The harness goes on over each copy."""

    def __init__(self, harness: Harness, admin: str) -> None:
        super().__init__(admin, harness.clearance.dsn)
        self._harness = harness

    async def _copied(self, source: str, target: str) -> None:
        self._harness.clearance.pool.terminate()
        await super()._copied(source, target)
        await self._harness.reopen_clearance()


@pytest.fixture
async def backup(harness: Harness, postgres: Running) -> AsyncIterator[ClearanceBackup]:
    made = ClearanceBackup(harness, postgres.address)
    yield made
    await made.delete()


async def forms(harness: Harness) -> list[dict[str, Any]]:
    return [dict(row) for row in await harness.clearance.pool.fetch(_FORMS)]


async def read_ends(harness: Harness, said: list[Message]) -> None:
    """The clearance reads its own topic from where the backup stood."""
    ends = [event for event in said if isinstance(event, SubmissionAccepted | SubmissionRefused)]
    await harness.clearance.receive([harness.record(harness.topics.submission, event) for event in ends])


async def read_again(harness: Harness, asked: list[UUID], students: list[str], said: list[Message]) -> None:
    """And then everything else, attestations before the commands."""
    for answer in of(said, AttestationGiven):
        await harness.clearance.receive([harness.record(harness.topics.attestation(answer.department), answer)])
    for command_id, student_id in zip(asked, students, strict=True):
        await harness.submit(student_id, command_id)


async def test_six_acceptances_since_the_backup_come_back_under_their_numbers(
    harness: Harness, backup: ClearanceBackup
) -> None:
    students = [await harness.student() for _ in range(6)]
    await backup.take()
    said: list[Message] = []
    asked = []
    for student_id in students:
        asked.append(await harness.submit(student_id))
        said += await harness.deliver_all()
    before = await forms(harness)
    assert len(before) == 6
    await backup.restore()
    assert await forms(harness) == []

    dead = {name: len(service.dead_letters) for name, service in harness.services.items()}
    await read_ends(harness, said)
    await read_again(harness, asked, students, said)
    again = await harness.deliver_all()
    assert await forms(harness) == before
    for attempt_id in asked:
        assert await harness.state(attempt_id) == ("accepted", "")
    assert {one.form_number for one in of(again, SubmissionAccepted)} <= {form["form_number"] for form in before}
    assert of(again, SubmissionRefused) == []
    assert {name: len(service.dead_letters) for name, service in harness.services.items()} == dead
    for student_id in students:
        case = await harness.clearance.pool.fetchval("SELECT state FROM student_case WHERE student_id = $1", student_id)
        assert case == CaseState.COMPLETED
        assert await harness.holds(student_id) == {}
        newest = await harness.clearance.pool.fetchval(
            "SELECT outcome FROM audit.entry WHERE student_id = $1 AND act = 'submission.accept'", student_id
        )
        assert newest == "restored"
    assert {event.state for event in of(again, CaseChanged)} <= {CaseState.COMPLETED}
    second = await harness.submit(students[0])
    await harness.deliver_all()
    assert await harness.state(second) == ("refused", "already-submitted")


async def test_an_attempt_that_was_open_in_the_backup_ends_as_it_had_ended(
    harness: Harness, backup: ClearanceBackup
) -> None:
    accepted, refused = await harness.student(), await harness.student(library=OWING)
    asked = [await harness.submit(accepted), await harness.submit(refused)]
    await backup.take()
    said = await harness.deliver_all()
    before = await forms(harness)
    objections = await harness.attempt(asked[1])
    await backup.restore()
    await read_ends(harness, said)
    await read_again(harness, asked, [accepted, refused], said)
    await harness.deliver_all()
    assert [await harness.state(one) for one in asked] == [("accepted", ""), ("refused", "objected")]
    assert (await forms(harness)) == before
    assert (await harness.attempt(asked[1]))["objections"] == objections["objections"]


async def test_answers_to_an_attempt_that_was_refused_since_the_backup_are_no_dead_letters(
    harness: Harness, backup: ClearanceBackup
) -> None:
    student_id = await harness.student(library=OWING)
    await backup.take()
    attempt_id = await harness.submit(student_id)
    said = await harness.deliver_all()
    assert len(of(said, AttestationGiven)) == len(harness.departments)
    await backup.restore()
    await read_ends(harness, said)
    dead = len(harness.clearance.dead_letters)
    await read_again(harness, [attempt_id], [student_id], said)
    assert harness.clearance.dead_letters[dead:] == []
    assert await harness.state(attempt_id) == ("refused", "objected")


async def test_an_answer_of_a_department_that_is_not_asked_any_more_is_no_dead_letter(
    harness: Harness, backup: ClearanceBackup
) -> None:
    student_id = await harness.student()
    deciding = exemption_decisions(required_checks(harness.manifests))
    await decide(deciding, harness.clearance.pool, NOT_APPLICABLE, student_id, "finance.arrears", until=until())
    await backup.take()
    await decide(deciding, harness.clearance.pool, WITHDRAW, student_id, "finance.arrears")
    attempt_id = await harness.submit(student_id)
    answers = [
        answer
        for record in await harness.clearance.take_outbox()
        for answer in await harness.answers(record)
        if answer.topic != harness.topics.attestation("dorm")
    ]
    await backup.restore()
    await harness.submit(student_id, attempt_id)
    await harness.clearance.receive(answers)
    assert harness.clearance.dead_letters == []
    assert await harness.state(attempt_id) == ("open", "")
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("accepted", "")
    assert await harness.holds(student_id) == {}


async def test_what_is_known_is_not_touched(harness: Harness) -> None:
    student_id = await harness.student()
    attempt_id = await harness.submit(student_id)
    said = await harness.deliver_all()
    before = await forms(harness)
    entries = await harness.clearance.pool.fetchval("SELECT count(*) FROM audit.entry")
    await read_ends(harness, said)
    await read_ends(harness, said)
    assert await forms(harness) == before
    assert await harness.clearance.pool.fetchval("SELECT count(*) FROM audit.entry") == entries
    assert await harness.state(attempt_id) == ("accepted", "")


async def test_a_student_who_came_onto_the_roster_since_the_backup_has_the_form_again(
    harness: Harness, backup: ClearanceBackup
) -> None:
    await backup.take()
    student_id = await harness.student()
    asked = await harness.submit(student_id)
    said = await harness.deliver_all()
    before = await forms(harness)
    await backup.restore()
    await read_ends(harness, said)
    assert [form["form_number"] for form in await forms(harness)] == [form["form_number"] for form in before]
    assert await harness.state(asked) == ("accepted", "")


async def test_a_form_signed_with_a_key_made_since_the_backup_verifies_again(
    harness: Harness, backup: ClearanceBackup
) -> None:
    student_id = await harness.student()
    await backup.take()
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        kid = await Keyring(FileKeys(harness.keys)).rotate(connection, actor="operator")
    await harness.submit(student_id)
    said = await harness.deliver_all()
    (before,) = await forms(harness)
    assert before["kid"] == kid
    await backup.restore()
    await read_ends(harness, said)
    assert [form["form_number"] for form in await forms(harness)] == [before["form_number"]]
    keys = await harness.clearance.pool.fetch("SELECT kid FROM signing_key WHERE revoked_at IS NULL")
    assert kid in [row["kid"] for row in keys]


async def test_a_former_number_comes_back_with_the_acceptance(harness: Harness, backup: ClearanceBackup) -> None:
    former, student_id = await harness.student(), await harness.student()
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await harness.roster.join(connection, student_id, former, now=datetime.now(UTC))
    await harness.deliver_all()
    await backup.take()
    await harness.submit(student_id)
    said = await harness.deliver_all()
    before = await forms(harness)
    attempts = await _attempts(harness)
    assert len(attempts) == 2
    await backup.restore()
    accepted = of(said, SubmissionAccepted)
    assert len(accepted) == 2
    await read_ends(harness, [*reversed(accepted)])
    await read_ends(harness, [*accepted])
    assert await forms(harness) == before
    assert await _attempts(harness) == attempts


@pytest.mark.parametrize("ended_by", ["an answer", "time"])
@pytest.mark.parametrize("sent", ["the attempt's", "the part's"])
async def test_an_attempt_and_its_part_end_together_though_the_end_of_only_one_had_been_sent(
    harness: Harness, backup: ClearanceBackup, sent: str, ended_by: str
) -> None:
    former, student_id = await harness.student(), await harness.student(library=OWING)
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await harness.roster.join(connection, student_id, former, now=datetime.now(UTC))
    await harness.deliver_all()
    attempt_id = await harness.submit(student_id)
    await backup.take()
    said = await harness.deliver_all()
    ends = {event.student_id: event for event in of(said, SubmissionRefused)}
    assert ends.keys() == {student_id, former}
    await backup.restore()
    kept, lost = (student_id, former) if sent == "the attempt's" else (former, student_id)
    await read_ends(harness, [ends[kept]])
    if ended_by == "an answer":
        await read_again(harness, [attempt_id], [student_id], said)
    else:
        for event in ends.values():
            await harness.overdue(event.attempt_id)
        await harness.sweeper.sweep()
    said = await harness.deliver_all()
    assert ends[lost].attempt_id in {event.attempt_id for event in of(said, SubmissionRefused)}
    assert {state for _, _, state, *_ in await _attempts(harness)} == {"refused"}
    await harness.set("library", student_id, CLEAR_LIBRARY)
    again = await harness.submitted(student_id)
    assert await harness.state(again) == ("accepted", "")


async def test_a_form_whose_void_was_lost_is_void_again_once_the_next_one_comes_back(
    harness: Harness, backup: ClearanceBackup
) -> None:
    student_id = await harness.student()
    await backup.take()
    await harness.submit(student_id)
    (first,) = of(await harness.deliver_all(), SubmissionAccepted)
    await void(harness, student_id, first.form_number)
    await harness.deliver_all()
    await harness.submit(student_id)
    (second,) = of(await harness.deliver_all(), SubmissionAccepted)
    await backup.restore()
    dead = len(harness.clearance.dead_letters)
    await read_ends(harness, [second])
    assert harness.clearance.dead_letters[dead:] == ["form: the one that it replaces is missing"]
    await read_ends(harness, [first, second])
    was, stands = await forms_of(harness, student_id)
    assert (was["form_number"], stands["form_number"]) == (first.form_number, second.form_number)
    assert (was["replaced_by"], stands["replaces"]) == (second.form_number, first.form_number)
    assert second.form_number in was["void_reason"]
    assert stands["voided_at"] is None


async def test_a_form_that_was_not_signed_so_is_a_dead_letter(harness: Harness, backup: ClearanceBackup) -> None:
    student_id = await harness.student()
    await backup.take()
    await harness.submit(student_id)
    (accepted,) = of(await harness.deliver_all(), SubmissionAccepted)
    await backup.restore()
    assert accepted.form is not None
    other = accepted.form.model_copy(update={"student": {**accepted.form.student, "name": "林知近"}})
    forged = accepted.form.model_copy(update={"receipt": _altered(accepted.form.receipt)})
    waiver = FormWaiver(department="library", check="thesis", kind=WaiverKind.RELEASED, reason="x")
    waived, of_another_release, until_no_day = (
        accepted.form.model_copy(update={"waivers": (each,)})
        for each in (
            waiver,
            waiver.model_copy(update={"kind": "postponed"}),
            waiver.model_copy(update={"until": "2026-06-31"}),
        )
    )
    for wrong in (
        accepted.model_copy(update={"form_number": "2026-AAAAA-BBBBB-C"}),
        accepted.model_copy(update={"form": other}),
        accepted.model_copy(update={"form": forged}),
        accepted.model_copy(update={"form": waived}),
        accepted.model_copy(update={"form": of_another_release}),
        accepted.model_copy(update={"form": until_no_day}),
        accepted.model_copy(update={"form": None}),
    ):
        dead = len(harness.clearance.dead_letters)
        await read_ends(harness, [wrong])
        assert len(harness.clearance.dead_letters) == dead + 1
        assert await forms(harness) == []
    await read_ends(harness, [accepted])
    assert len(await forms(harness)) == 1


async def test_a_number_that_was_forgotten_and_listed_again_has_its_later_ends_again_and_no_earlier_one(
    harness: Harness, backup: ClearanceBackup
) -> None:
    student_id = await harness.student()
    await harness.submit(student_id)
    forgotten = await harness.deliver_all()
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await Forgetting(harness.topics).forget(connection, student_id, Decided("o-1", "本人申请", proposed_by="o-2"))
    await harness.deliver_all()
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await harness.roster.put(connection, person(student_id, None), now=datetime.now(UTC))
    await harness.deliver_all()
    await backup.take()
    await harness.clear_again(student_id)
    await harness.set("library", student_id, OWING)
    refused = await harness.submit(student_id)
    said = await harness.deliver_all()
    await harness.clear_again(student_id)
    await harness.deliver_all()
    accepted = await harness.submit(student_id)
    said += await harness.deliver_all()
    before = await forms(harness)
    assert len(before) == 1
    await backup.restore()
    await read_ends(harness, [*forgotten, *said])
    assert await forms(harness) == before
    assert [await harness.state(one) for one in (refused, accepted)] == [("refused", "objected"), ("accepted", "")]
    assert await harness.clearance.pool.fetchval("SELECT count(*) FROM attempt") == 2


async def test_a_form_whose_student_the_rules_of_today_would_refuse_comes_back_as_it_was(
    harness: Harness, backup: ClearanceBackup
) -> None:
    await backup.take()
    student_id = await harness.student(cohort="2026")
    attempt_id = await harness.submit(student_id)
    said = await harness.deliver_all()
    before, dead = await forms(harness), len(harness.clearance.dead_letters)
    await backup.restore()
    use_number_form(NumberForm.of("X[0-9]{8}", "X20260001"))
    try:
        await read_ends(harness, said)
    finally:
        use_number_form(None)
    assert await forms(harness) == before
    assert await harness.state(attempt_id) == ("accepted", "")
    assert len(harness.clearance.dead_letters) == dead
    roster = "SELECT state, cohort, enrolled_on FROM student_case WHERE student_id = $1"
    case = await harness.clearance.pool.fetchrow(roster, student_id)
    assert case is not None
    assert tuple(case) == ("completed", "2026", date(2023, 9, 1))


def _altered(receipt: str) -> str:
    """With another first character of the signature."""
    signed, _, signature = receipt.rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


async def _attempts(harness: Harness) -> list[tuple[Any, ...]]:
    rows = await harness.clearance.pool.fetch(
        "SELECT attempt_id, student_id, state, required, parent_id, ordinal, opened_at, expires_at FROM attempt"
        " ORDER BY attempt_id"
    )
    return [tuple(row) for row in rows]
