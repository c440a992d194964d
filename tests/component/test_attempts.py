"""The confirmation round over real databases: once, never on a pass that was taken away, always to an end."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas.codec import read
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    CaseChanged,
    CaseState,
    Message,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
)
from services.clearance import exceptions
from services.clearance.keys import Keyring, jwk_set
from services.finance.rules import Charge, FinanceRecord
from services.kit.desk import Held
from services.kit.form_numbers import read_form_number
from services.kit.receipts import Forged, public_keys, verify
from services.library.rules import Loan
from tests.component.round_parts import CLEAR, CLEAR_LIBRARY, DEPARTMENTS, RULES, Parts, parts_in
from tests.conftest import DatabaseMaker

OWING = CLEAR_LIBRARY.model_copy(update={"loans": (Loan(barcode="B1", title="矿山压力", due_on=date(2026, 6, 20)),)})

CHARGE = Charge(charge_id="C1", student_id="TS1", year="2025", name="住宿费", amount=Decimal("12.00"))
OWED = FinanceRecord(charges=(CHARGE,))


@pytest.fixture(scope="module")
async def parts(make_database: DatabaseMaker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    async with parts_in(make_database, Path(tmp_path_factory.mktemp("keys"))) as made:
        yield made


def of(said: list[Message], kind: type[Message]) -> list[Message]:
    return [event for event in said if isinstance(event, kind)]


async def state(parts: Parts, attempt_id: UUID) -> tuple[str, str]:
    row = await parts.attempt(attempt_id)
    return row["state"], row["cause"]


async def overdue(parts: Parts, attempt_id: UUID) -> None:
    """The attempt's life is over: ten minutes went by."""
    await parts.clearance.pool.execute(
        "UPDATE attempt SET opened_at = opened_at - interval '1 hour', expires_at = expires_at - interval '1 hour'"
        " WHERE attempt_id = $1",
        attempt_id,
    )


async def test_clear_everywhere_is_accepted_once_and_everything_says_so(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    said = await parts.carry()
    (accepted,) = of(said, SubmissionAccepted)
    assert isinstance(accepted, SubmissionAccepted)
    assert accepted.attempt_id == attempt_id
    assert [e.state for e in of(said, CaseChanged) if isinstance(e, CaseChanged)] == [CaseState.COMPLETED]
    assert await state(parts, attempt_id) == ("accepted", "")
    submission = await parts.submission(student_id)
    assert submission is not None
    assert read_form_number(submission["form_number"]) == submission["form_number"] == accepted.form_number
    assert student_id not in submission["form_number"]
    assert set(json.loads(submission["facts"])) == set(DEPARTMENTS)
    assert await parts.holds(student_id) == {}
    answers = json.loads((await parts.attempt(attempt_id))["answers"])
    assert answers == {name: {"outcome": "clear"} for name in DEPARTMENTS}


async def test_the_receipt_verifies_and_says_what_was_attested(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    await parts.carry()
    submission = await parts.submission(student_id)
    assert submission is not None
    async with parts.clearance.pool.acquire() as connection:
        keys = public_keys((await jwk_set(connection))["keys"])
    form = verify(submission["receipt"], keys)
    assert verify(submission["qr_text"], keys).payload == form.payload
    assert (form.payload["form"], form.payload["attempt"]) == (submission["form_number"], str(attempt_id))
    assert form.payload["student"]["student_id"] == student_id
    facts = json.loads(submission["facts"])
    assert {name: one["version"] for name, one in facts.items()} == {
        name: one["version"] for name, one in form.payload["departments"].items()
    }
    checks = {check["check"]: check["facts"] for check in facts["library"]["checks"]}
    assert form.payload["departments"]["library"]["checks"] == checks


@pytest.mark.acceptance("S-093")
async def test_a_debt_before_the_hold_is_objected_with_its_reasons(parts: Parts) -> None:
    student_id = await parts.student()
    await parts.set("library", student_id, OWING)
    attempt_id = await parts.ask(student_id)
    (refused,) = of(await parts.carry(), SubmissionRefused)
    assert isinstance(refused, SubmissionRefused)
    assert (refused.cause, list(refused.objections)) == ("objected", ["library"])
    assert refused.objections["library"][0].code == "books-not-returned"
    assert await state(parts, attempt_id) == ("refused", "objected")
    assert await parts.submission(student_id) is None
    assert await parts.holds(student_id) == {}


async def test_a_debt_between_the_holds_waits_and_one_where_none_is_yet_is_objected(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await parts.departments["library"].hear([question])
    with pytest.raises(Held):
        await parts.set("library", student_id, OWING)
    assert (await parts.set("finance", student_id, OWED)).applied
    for name in ("archives", "dorm", "finance"):
        await parts.departments[name].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("refused", "objected")
    assert await parts.submission(student_id) is None
    assert await parts.holds(student_id) == {}
    assert (await parts.set("library", student_id, OWING)).applied


async def test_a_debt_after_the_last_attestation_waits_for_the_end_and_then_opens_an_exception(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for place in parts.departments.values():
        await place.hear([question])
    for name in DEPARTMENTS:
        for record in await parts.departments[name].said():
            await parts.bring(record)
    assert await state(parts, attempt_id) == ("accepted", "")
    with pytest.raises(Held):
        await parts.set("library", student_id, OWING)
    before = await parts.submission(student_id)
    await parts.carry()
    assert (await parts.set("library", student_id, OWING)).applied
    await parts.carry()
    submission = await parts.submission(student_id)
    assert before is not None
    assert submission is not None
    assert submission["exception_count"] == 1
    assert {**dict(submission), "exception_count": 0} == dict(before)
    (exception,) = await parts.clearance.pool.fetch(
        "SELECT * FROM published.exception_v1 WHERE student_id = $1", student_id
    )
    assert (exception["department"], exception["closed_at"]) == ("library", None)
    assert json.loads(exception["reasons"])[0]["code"] == "books-not-returned"


async def test_an_exception_is_closed_by_the_next_clear_word_and_kept(parts: Parts) -> None:
    student_id = await parts.student()
    await parts.ask(student_id)
    await parts.carry()
    for record in (OWING, CLEAR_LIBRARY, OWING):
        await parts.set("library", student_id, record)
        await parts.carry()
    rows = await parts.clearance.pool.fetch(
        "SELECT version, closed_version FROM published.exception_v1 WHERE student_id = $1 ORDER BY version", student_id
    )
    first, second = (tuple(row) for row in rows)
    assert first[1] == first[0] + 1
    assert second == (first[0] + 2, None)


async def test_a_late_word_from_before_the_attestation_opens_no_exception(parts: Parts) -> None:
    student_id = await parts.student()
    await parts.set("library", student_id, OWING)
    (late,) = await parts.departments["library"].said()
    await parts.set("library", student_id, CLEAR_LIBRARY)
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    held_back = [late]
    for name, place in parts.departments.items():
        await place.hear([question])
        for record in await place.said():
            await (parts.clearance.hear([record]) if "attestation" in record.topic else parts.project([]))
            held_back += [record] if name == "library" and "status" in record.topic else []
    assert await state(parts, attempt_id) == ("accepted", "")
    for record in held_back:
        await parts.project([record])
    submission = await parts.submission(student_id)
    assert submission is not None
    assert submission["exception_count"] == 0


async def test_a_department_that_attests_clear_and_says_blocked_is_found_at_the_acceptance(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for place in parts.departments.values():
        await place.hear([question])
    # It lies: its own record was changed past the desk, and its status told.
    library = parts.departments["library"]
    await library.pool.execute("DELETE FROM hold WHERE student_id = $1", student_id)
    await parts.set("library", student_id, OWING)
    answer, status = await library.said()
    await parts.project([status])
    await parts.clearance.hear([answer])
    await parts.carry()
    assert await state(parts, attempt_id) == ("accepted", "")
    submission = await parts.submission(student_id)
    assert submission is not None
    assert submission["exception_count"] == 1


async def test_a_status_and_an_acceptance_committed_side_by_side_are_seen_by_the_next_sweep(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for place in parts.departments.values():
        await place.hear([question])
    library = parts.departments["library"]
    await library.pool.execute("DELETE FROM hold WHERE student_id = $1", student_id)
    await parts.set("library", student_id, OWING)
    answer, status = await library.said()
    for name in ("archives", "dorm", "finance"):
        for record in await parts.departments[name].said():
            await parts.bring(record)
    async with parts.clearance.pool.acquire() as connection:
        projecting = connection.transaction()
        await projecting.start()
        await parts.projector.apply(connection, [status], [])
        await parts.clearance.hear([answer])
        await projecting.commit()
    assert await state(parts, attempt_id) == ("accepted", "")
    async with parts.clearance.pool.acquire() as connection:
        assert await exceptions.fold_recent(connection) == 1
        assert await exceptions.fold_recent(connection) == 0
    submission = await parts.submission(student_id)
    assert submission is not None
    assert submission["exception_count"] == 1


async def test_the_same_ask_however_often_is_one_attempt_and_one_submission(parts: Parts) -> None:
    student_id, command_id = await parts.student(), uuid4()
    await asyncio.gather(*(parts.ask(student_id, command_id) for _ in range(20)))
    await parts.carry()
    first = await parts.submission(student_id)
    await asyncio.gather(*(parts.ask(student_id, command_id) for _ in range(20)))
    said = await parts.carry()
    assert {e.form_number for e in of(said, SubmissionAccepted) if isinstance(e, SubmissionAccepted)} == {
        first["form_number"] if first else ""
    }
    assert of(said, SubmissionRefused) == []
    assert await parts.submission(student_id) == first
    count = "SELECT count(*) FROM attempt WHERE student_id = $1"
    assert await parts.clearance.pool.fetchval(count, student_id) == 1


async def test_another_ask_while_one_is_open_is_refused_and_the_open_one_goes_on(parts: Parts) -> None:
    student_id = await parts.student()
    first, second = await parts.ask(student_id), await parts.ask(student_id)
    said = await parts.carry()
    assert await state(parts, first) == ("accepted", "")
    assert await state(parts, second) == ("refused", "another-attempt-open")
    assert [e.attempt_id for e in of(said, SubmissionRefused) if isinstance(e, SubmissionRefused)] == [second]


async def test_concurrent_asks_of_one_student_open_one_attempt(parts: Parts) -> None:
    for _ in range(5):
        student_id = await parts.student()
        ids = await asyncio.gather(*(parts.ask(student_id) for _ in range(6)))
        await parts.carry()
        states = sorted([await state(parts, attempt_id) for attempt_id in ids])
        assert states == [("accepted", "")] + [("refused", "another-attempt-open")] * 5


async def test_an_ask_after_the_acceptance_names_the_submission_and_is_refused_itself(parts: Parts) -> None:
    student_id = await parts.student()
    first = await parts.ask(student_id)
    await parts.carry()
    second = await parts.ask(student_id)
    said = await parts.carry()
    assert [e.attempt_id for e in of(said, SubmissionAccepted) if isinstance(e, SubmissionAccepted)] == [first]
    assert await state(parts, second) == ("refused", "already-submitted")


async def test_after_a_refusal_the_student_can_submit_again(parts: Parts) -> None:
    student_id = await parts.student(library=OWING)
    assert await state(parts, await _asked_and_carried(parts, student_id)) == ("refused", "objected")
    await parts.set("library", student_id, CLEAR_LIBRARY)
    assert await state(parts, await _asked_and_carried(parts, student_id)) == ("accepted", "")


async def _asked_and_carried(parts: Parts, student_id: str) -> UUID:
    attempt_id = await parts.ask(student_id)
    await parts.carry()
    return attempt_id


async def test_who_is_not_on_the_roster_or_no_longer_is_refused(parts: Parts) -> None:
    stranger = await parts.ask(f"TSX{uuid4().hex[:8]}")
    student_id = await parts.student()
    async with parts.clearance.pool.acquire() as connection, connection.transaction():
        await parts.submissions._roster.withdraw(connection, student_id, now=datetime.now(UTC))
    gone = await parts.ask(student_id)
    await parts.carry()
    for attempt_id in (stranger, gone):
        assert await state(parts, attempt_id) == ("refused", "case-not-open")


async def test_taken_off_the_roster_during_the_round_is_refused(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    async with parts.clearance.pool.acquire() as connection, connection.transaction():
        await parts.submissions._roster.withdraw(connection, student_id, now=datetime.now(UTC))
    await parts.carry()
    assert await state(parts, attempt_id) == ("refused", "case-not-open")
    assert await parts.holds(student_id) == {}


async def test_a_department_that_is_down_delays_and_never_decides(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("open", "")
    assert await parts.submission(student_id) is None
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("accepted", "")


async def test_an_attempt_too_old_expires_and_a_late_answer_changes_nothing(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    await overdue(parts, attempt_id)
    assert await parts.sweeper.sweep() >= 1
    (refused,) = of(await parts.carry(), SubmissionRefused)
    assert isinstance(refused, SubmissionRefused)
    assert refused.cause == "expired"
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("expired", "expired")
    assert await parts.submission(student_id) is None
    assert await parts.holds(student_id) == {}


async def test_an_attempt_whose_life_is_not_over_does_not_expire(parts: Parts) -> None:
    attempt_id = await parts.ask(await parts.student())
    await parts.sweeper.sweep()
    assert await state(parts, attempt_id) == ("open", "")
    await parts.carry()


async def test_expiry_racing_the_last_answer_ends_the_attempt_exactly_once(parts: Parts) -> None:
    ends: set[str] = set()
    for turn in range(12):
        student_id = await parts.student()
        attempt_id = await parts.ask(student_id)
        (question,) = await parts.clearance.said()
        last: list[object] = []
        for name, place in parts.departments.items():
            await place.hear([question])
            records = await place.said()
            last = records if name == "finance" else last
            if name != "finance":
                await parts.clearance.hear(records)
        await overdue(parts, attempt_id)
        racing = [parts.sweeper.sweep(), parts.clearance.hear(last), parts.sweeper.sweep()]
        await asyncio.gather(*(racing if turn % 2 else reversed(racing)))
        said = await parts.carry()
        assert len(of(said, SubmissionAccepted)) + len(of(said, SubmissionRefused)) == 1
        ended, _ = await state(parts, attempt_id)
        assert (ended == "accepted") is (await parts.submission(student_id) is not None)
        assert await parts.holds(student_id) == {}
        ends.add(ended)
    assert ends <= {"accepted", "expired"}


async def test_an_answer_heard_again_counts_once(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    records = []
    for place in parts.departments.values():
        await place.hear([question])
        records += await place.said()
    parked = len(parts.clearance.parked)
    await parts.clearance.hear([*records, *records, *reversed(records)])
    assert len(of(await parts.carry(), SubmissionAccepted)) == 1
    assert await state(parts, attempt_id) == ("accepted", "")
    assert len(parts.clearance.parked) == parked


def forged(student_id: str, attempt_id: UUID, department: str = "finance", **changed: object) -> AttestationGiven:
    fields = {
        "attempt_id": attempt_id,
        "student_id": student_id,
        "department": department,
        "outcome": AttestationOutcome.CLEAR,
        "version": 99,
        "checks": _finance_checks(),
        "attested_at": datetime.now(UTC),
    }
    return AttestationGiven.model_validate({**fields, **changed})


def _finance_checks() -> object:
    return RULES["finance"].assess(CLEAR["finance"]).checks


async def test_forged_answers_are_parked_and_decide_nothing(parts: Parts) -> None:
    student_id, other = await parts.student(finance=OWED), await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    topic, elsewhere = parts.topics.attestation("finance"), parts.topics.attestation("library")
    parked = len(parts.clearance.parked)
    await parts.clearance.hear(
        [
            parts.record(elsewhere, forged(student_id, attempt_id)),
            parts.record(topic, forged(student_id, uuid4())),
            parts.record(topic, forged(other, attempt_id)),
            parts.record(topic, forged(student_id, attempt_id), key=other),
            parts.record(topic, forged(student_id, attempt_id, outcome=AttestationOutcome.OBJECTED)),
        ]
    )
    assert len(parts.clearance.parked) - parked == 5
    assert await state(parts, attempt_id) == ("open", "")
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, attempt_id) == ("refused", "objected")


async def test_an_answer_to_an_older_attempt_says_nothing_about_the_newer_one(parts: Parts) -> None:
    student_id = await parts.student()
    older = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await parts.departments["finance"].hear([question])
    replayed = await parts.departments["finance"].said()
    await overdue(parts, older)
    await parts.sweeper.sweep()
    await parts.carry()
    newer = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    for name in ("library", "archives", "dorm"):
        await parts.departments[name].hear([question])
    await parts.carry()
    await parts.clearance.hear(replayed)
    assert await state(parts, newer) == ("open", "")
    assert await state(parts, older) == ("expired", "expired")
    await parts.departments["finance"].hear([question])
    await parts.carry()
    assert await state(parts, newer) == ("accepted", "")


async def test_a_second_and_different_answer_is_parked_and_the_first_counts(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await parts.departments["finance"].hear([question])
    await parts.carry()
    parked = len(parts.clearance.parked)
    topic = parts.topics.attestation("finance")
    await parts.clearance.hear([parts.record(topic, forged(student_id, attempt_id))])
    assert parts.clearance.parked[parked:] == ["attempt_id: the department answered this attempt before, and otherwise"]
    said = await parts.clearance.pool.fetchval("SELECT said FROM answer WHERE attempt_id = $1", attempt_id)
    assert json.loads(said)["version"] != 99


async def test_an_ask_under_another_students_attempt_is_parked(parts: Parts) -> None:
    one, other = await parts.student(), await parts.student()
    attempt_id = await parts.ask(one)
    parked = len(parts.clearance.parked)
    await parts.ask(other, attempt_id)
    assert len(parts.clearance.parked) == parked + 1
    await parts.carry()
    assert await parts.submission(other) is None


async def test_the_end_heard_before_the_question_leaves_no_hold(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    (question,) = await parts.clearance.said()
    await overdue(parts, attempt_id)
    await parts.sweeper.sweep()
    await parts.carry()
    for place in parts.departments.values():
        await place.hear([question])
    await parts.carry()
    assert await parts.holds(student_id) == {}
    assert isinstance(read(question.value), SubmissionRequested)


async def test_a_submission_and_its_answers_are_never_changed_and_never_second(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await _asked_and_carried(parts, student_id)
    pool = parts.clearance.pool
    for statement in (
        "UPDATE submission SET form_number = 'x' WHERE student_id = $1",
        "DELETE FROM submission WHERE student_id = $1",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement, student_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DELETE FROM answer WHERE attempt_id = $1", attempt_id)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            "INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at)"
            " SELECT gen_random_uuid(), student_id, state, required, opened_at, expires_at, ended_at"
            " FROM attempt WHERE attempt_id = $1",
            attempt_id,
        )


async def test_after_a_rotation_old_forms_verify_and_new_ones_carry_the_new_key(parts: Parts) -> None:
    pool, keyring = parts.clearance.pool, parts.submissions._keyring
    before, after = await parts.student(), await parts.student()
    await _asked_and_carried(parts, before)
    async with pool.acquire() as connection, connection.transaction():
        old = await connection.fetchval("SELECT kid FROM signing_key WHERE retired_at IS NULL")
        new = await keyring.rotate(connection, actor="test")
    await _asked_and_carried(parts, after)
    receipts = {name: await parts.submission(name) for name in (before, after)}
    async with pool.acquire() as connection, connection.transaction():
        keys = public_keys((await jwk_set(connection))["keys"])
        kids = [verify(row["receipt"], keys).kid for row in receipts.values() if row]
        assert kids == [old, new]
        assert await keyring.revoke(connection, old, actor="test")
        keys = public_keys((await jwk_set(connection))["keys"])
        assert not await keyring.revoke(connection, new, actor="test")
    row = receipts[before]
    assert row is not None
    with pytest.raises(Forged):
        verify(row["receipt"], keys)


async def test_without_the_private_key_nothing_is_accepted_until_it_is_back(parts: Parts, tmp_path: Path) -> None:
    student_id = await parts.student()
    attempt_id = await parts.ask(student_id)
    keyring, parts.submissions._keyring = parts.submissions._keyring, Keyring(tmp_path)
    (question,) = await parts.clearance.said()
    records = []
    for place in parts.departments.values():
        await place.hear([question])
        records += await place.said()
    with pytest.raises(RuntimeError, match="folder of keys"):
        await parts.clearance.hear(records)
    assert await state(parts, attempt_id) == ("open", "")
    parts.submissions._keyring = keyring
    await parts.clearance.hear(records)
    assert await state(parts, attempt_id) == ("accepted", "")
    await parts.carry()


async def test_each_decision_is_in_the_audit_with_the_versions_it_rests_on(parts: Parts) -> None:
    student_id = await parts.student()
    attempt_id = await _asked_and_carried(parts, student_id)
    rows = await parts.clearance.pool.fetch(
        "SELECT actor, act, outcome, details FROM audit.entry WHERE student_id = $1 ORDER BY entry_id", student_id
    )
    assert [(row["actor"], row["act"], row["outcome"]) for row in rows] == [
        ("student", "submission.ask", "opened"),
        ("/lixiao/clearance", "submission.accept", "accepted"),
    ]
    details = json.loads(rows[-1]["details"])
    assert details["attempt"] == str(attempt_id)
    assert set(details["versions"]) == set(DEPARTMENTS)


async def test_the_life_of_an_attempt_is_counted_by_the_database(parts: Parts) -> None:
    row = await parts.attempt(await parts.ask(await parts.student()))
    assert row["expires_at"] - row["opened_at"] == timedelta(minutes=10)
    await parts.carry()
