"""A form is voided by two persons; its student submits again, and the new form names the old one."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from schemas.events import CaseChanged, CaseState, CertificateIssueAsked, CertificateIssueUndoAsked, TakenBy
from services.clearance.approvals.actions import ActionRefused
from services.clearance.approvals.decisions import OwnProposal
from services.kit.receipts.jws import public_keys
from services.kit.receipts.qr import verify_text
from tests.support.in_process.after_acceptance import (
    audited,
    decisions,
    forms,
    hand_over,
    open_exceptions,
    outcome_of,
    propose,
    put,
    submitted,
    void,
    withdraw,
)
from tests.support.in_process.submission_harness import OWING, Harness, of


async def test_a_void_form_opens_the_case_again_and_every_department_hears_of_it(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    proposal = await propose(harness, student_id, form_number)
    assert proposal.state == "open"
    assert (await forms(harness, student_id))[0]["voided_at"] is None
    with pytest.raises(OwnProposal):
        async with harness.clearance.pool.acquire() as connection, connection.transaction():
            await decisions(harness).confirm(connection, proposal.proposal_id, by="operator-1")
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await decisions(harness).confirm(connection, proposal.proposal_id, by="dean-1")
    [form] = await forms(harness, student_id)
    assert (form["void_reason"], form["replaced_by"]) == ("姓名有误，更正后重新提交", None)
    assert await harness.submission(student_id) is None
    [event] = of(await harness.deliver_all(), CaseChanged)
    assert event.state is CaseState.OPEN
    for service in harness.departments.values():
        state = await service.pool.fetchval("SELECT case_state FROM record WHERE student_id = $1", student_id)
        assert state == "open"
    [(outcome, details)] = await audited(harness, student_id, "form.void")
    assert (outcome, details["proposed_by"], details["form"]) == ("voided", "operator-1", form_number)


async def test_the_new_form_names_the_one_it_replaces_signed_and_only_one_stands(harness: Harness) -> None:
    student_id, old = await submitted(harness)
    await put(harness, student_id, name="林知源")
    await void(harness, student_id, old)
    attempt_id = await harness.submitted(student_id)
    assert await harness.state(attempt_id) == ("accepted", "")
    first, second = await forms(harness, student_id)
    assert (first["form_number"], first["replaced_by"]) == (old, second["form_number"])
    assert (second["replaces"], second["case_number"], second["sequence"]) == (old, 1, 2)
    rows = await harness.clearance.pool.fetch("SELECT public_jwk::json FROM signing_key")
    keys = public_keys([json.loads(row[0]) for row in rows])
    payload = verify_text(second["receipt"], keys).payload
    assert (payload["replaces"], payload["student"]["name"]) == (old, "林知源")
    assert "replaces" not in verify_text(first["receipt"], keys).payload
    standing = await harness.submission(student_id)
    assert standing is not None
    assert (standing["form_number"], standing["exception_count"]) == (second["form_number"], 0)


async def test_a_void_form_is_never_handed_over(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await void(harness, student_id, form_number)
    assert await hand_over(harness, student_id, form_number) == "void"
    await harness.submitted(student_id)
    assert await hand_over(harness, student_id, form_number) == "void"
    [_, second] = await forms(harness, student_id)
    assert await hand_over(harness, student_id, second["form_number"]) == "issued"


async def test_a_form_is_not_voided_twice_nor_while_its_certificates_are_out(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    command_id = uuid4()
    assert await hand_over(harness, student_id, form_number, command_id=command_id) == "issued"
    with pytest.raises(ActionRefused, match="handed-over"):
        await propose(harness, student_id, form_number)
    undo = CertificateIssueUndoAsked(
        command_id=uuid4(),
        student_id=student_id,
        form_number=form_number,
        issue_command_id=command_id,
        asked_by="clerk-1",
        reason="证书已交回",
        asked_at=datetime.now(UTC),
    )
    await harness.clearance.receive([harness.record(harness.topics.command, undo)])
    await void(harness, student_id, form_number)
    with pytest.raises(ActionRefused, match="form-void"):
        await propose(harness, student_id, form_number)
    other, _ = await submitted(harness)
    with pytest.raises(ActionRefused, match="unknown-form"):
        await propose(harness, other, form_number)


async def test_where_one_person_decides_a_form_is_void_at_once(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await propose(harness, student_id, form_number, one_person=True)
    assert (await forms(harness, student_id))[0]["voided_at"] is not None


async def test_the_case_opens_as_the_roster_has_the_student_by_now(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await withdraw(harness, student_id)
    await void(harness, student_id, form_number)
    state = "SELECT state FROM student_case WHERE student_id = $1"
    assert await harness.clearance.pool.fetchval(state, student_id) == "closed"
    other, form_number = await submitted(harness)
    await put(harness, other, leave_category="结业")
    await void(harness, other, form_number)
    assert await harness.clearance.pool.fetchval(state, other) == "not-served"


async def test_a_debt_since_the_first_form_keeps_the_student_from_a_second(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await harness.set("library", student_id, OWING)
    await harness.deliver_all()
    await void(harness, student_id, form_number)
    await harness.deliver_all()
    attempt_id = await harness.submitted(student_id)
    assert await harness.state(attempt_id) == ("refused", "objected")


async def test_a_repeated_first_command_recalls_its_own_acceptance_and_opens_nothing(harness: Harness) -> None:
    student_id = await harness.student()
    first = await harness.submitted(student_id)
    [form] = await forms(harness, student_id)
    await void(harness, student_id, form["form_number"])
    await harness.deliver_all()
    await harness.submit(student_id, first)
    await harness.deliver_all()
    assert len(await forms(harness, student_id)) == 1
    assert await harness.submission(student_id) is None


async def test_a_void_racing_a_hand_over_never_leaves_certificates_out_for_a_void_form(harness: Harness) -> None:
    for _ in range(10):
        student_id, form_number = await submitted(harness)
        proposal = await propose(harness, student_id, form_number)

        async def confirm(proposal_id: int = proposal.proposal_id) -> str:
            try:
                async with harness.clearance.pool.acquire() as connection, connection.transaction():
                    await decisions(harness).confirm(connection, proposal_id, by="dean-1")
            except ActionRefused as refused:
                return refused.slug
            return "voided"

        outcome, voided = await asyncio.gather(hand_over(harness, student_id, form_number), confirm())
        assert (outcome, voided) in [("issued", "handed-over"), ("void", "voided")]


async def test_a_later_cohort_opens_a_new_case_beside_the_finished_one(harness: Harness) -> None:
    student_id = await harness.student()
    await put(harness, student_id, cohort="2026")
    await harness.submitted(student_id)
    [first] = await forms(harness, student_id)
    result = await put(harness, student_id, cohort="2027", major="管理科学")
    assert (result.case.case_number, result.case.state) == (2, CaseState.OPEN)
    [event] = of(await harness.deliver_all(), CaseChanged)
    assert (event.state, event.cohort) == (CaseState.OPEN, "2027")
    assert await open_exceptions(harness, first["form_number"]) == {"roster 1": ["new-case"]}
    named, reason = ("roster 1",), "本人先领取前一学位证书"
    assert await hand_over(harness, student_id, first["form_number"], confirmed=named, reason=reason) == "issued"
    assert await open_exceptions(harness, first["form_number"]) == {}
    refused = await harness.submitted(student_id)
    assert await harness.state(refused) == ("refused", "objected"), "nobody has spoken of the second departure"
    assert await open_exceptions(harness, first["form_number"]) == {}, "which takes nothing back of the first"
    await harness.clear_again(student_id)
    await harness.deliver_all()
    attempt_id = await harness.submitted(student_id)
    assert await harness.state(attempt_id) == ("accepted", "")
    [earlier, second] = await forms(harness, student_id)
    assert (earlier["form_number"], earlier["voided_at"]) == (first["form_number"], None)
    assert earlier["issued_at"] is not None
    assert (second["case_number"], second["replaces"], second["issued_at"]) == (2, None, None)
    assert await hand_over(harness, student_id, second["form_number"]) == "issued"
    standing = await harness.submission(student_id)
    assert standing is not None
    assert standing["form_number"] == second["form_number"]


async def test_a_debt_in_the_new_case_is_seen_on_every_form_that_stands(harness: Harness) -> None:
    student_id = await harness.student()
    await put(harness, student_id, cohort="2026")
    await harness.submitted(student_id)
    await put(harness, student_id, cohort="2027")
    await harness.deliver_all()
    await harness.clear_again(student_id)
    await harness.deliver_all()
    await harness.submitted(student_id)
    await harness.set("library", student_id, OWING)
    await harness.deliver_all()
    for form in await forms(harness, student_id):
        names = await open_exceptions(harness, form["form_number"])
        assert "library" in {name.split()[0] for name in names}


async def test_a_hand_over_that_was_refused_stays_refused_when_it_is_repeated(harness: Harness) -> None:
    student_id, form_number = await submitted(harness)
    await withdraw(harness, student_id)
    event = CertificateIssueAsked(
        command_id=uuid4(),
        student_id=student_id,
        form_number=form_number,
        asked_by="clerk-1",
        taken_by=TakenBy.SELF,
        asked_at=datetime.now(UTC),
    )
    for _ in range(2):
        await harness.clearance.receive([harness.record(harness.topics.command, event)])
        await put(harness, student_id)
    assert await outcome_of(harness, event.command_id) == "unconfirmed"
