"""Who may be forgotten, and who decides: one person or the calendar what is finished, two persons the rest."""

import json
from datetime import UTC, datetime

import pytest

from schemas.flows import CLEARANCE
from services.clearance.approvals.actions import ActionRefused, action_registry
from services.clearance.forgetting.actions import NAME, ForgetBody, forget_action
from services.clearance.forgetting.calendar import CalendarForgetting
from services.clearance.forgetting.forget import Decided, Forgetting
from services.clearance.parts import decisions_of
from services.kit.clearance_policy import ClearancePolicy
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.messaging.outbox import Wakeup
from tests.component.clearance.forgetting.departures import finished, forget, mentioned, tables_with
from tests.support.in_process.after_acceptance import hand_over, submitted, withdraw
from tests.support.in_process.submission_harness import Harness
from tests.support.personal_data import AUDIT


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
    assert await tables_with(harness, student_id) == {AUDIT}


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
        assert await tables_with(harness, number) == {AUDIT}


@pytest.mark.parametrize("first_of_two", [0, 1])
async def test_a_number_that_was_taken_from_the_person_again_is_forgotten_by_itself(
    harness: Harness, first_of_two: int
) -> None:
    """Its part of their attempt goes with the attempt, or before it."""
    student_id, former = await harness.student(), await harness.student()
    for change in (harness.roster.join, harness.roster.unjoin):
        async with harness.clearance.pool.acquire() as connection, connection.transaction():
            await change(connection, student_id, former, now=datetime.now(UTC))
        await harness.deliver_all()
        if change == harness.roster.join:
            await harness.submitted(student_id)
    form = await harness.submission(student_id)
    assert form is not None
    decided = Decided("operator-1", "本人申请", proposed_by="operator-2")
    first, second = (student_id, former) if first_of_two == 0 else (former, student_id)
    await forget(harness, first, decided)
    await harness.deliver_all()
    await forget(harness, second, decided)
    await harness.deliver_all()
    for number in (student_id, former):
        assert await tables_with(harness, number) == {AUDIT}


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
    assert await tables_with(harness, student_id) == {AUDIT}
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
