"""A submission with checks the student does not need: over every department's and the clearance's real database."""

import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from schemas.codec import read
from schemas.events import SubmissionRequested
from services.clearance.approvals.actions import ActionRefused
from services.clearance.approvals.proposal_store import Proposal
from services.clearance.exemptions.actions import NOT_APPLICABLE, RELEASE, WITHDRAW
from services.clearance.submission.after_acceptance import exceptions
from services.gateway.read_model.signed_form import payload_of
from services.kit.manifests import required_checks
from services.kit.operations import Held
from services.kit.rules.waivers import CheckRule
from services.library.rules import Thesis
from tests.support.clearance import exemptions
from tests.support.clearance.exemptions import exemption_decisions
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWED, OWING, Harness
from tests.support.samples.roster_students import person

NO_THESIS = CLEAR_LIBRARY.model_copy(update={"thesis": Thesis.NOT_SUBMITTED})
UNTIL = exemptions.until()


async def decide(harness: Harness, name: str, student_id: str, check: str = "library.thesis", **body: Any) -> Proposal:
    deciding = exemption_decisions(required_checks(harness.manifests))
    return await exemptions.decide(deciding, harness.clearance.pool, name, student_id, check, **body)


async def exempt(harness: Harness, student_id: str, check: str = "library.thesis", name: str = NOT_APPLICABLE) -> None:
    await decide(harness, name, student_id, check, until=UNTIL)


async def end_now(harness: Harness, student_id: str) -> None:
    """As if `until` was over."""
    await harness.clearance.pool.execute(
        "UPDATE exemption SET made_at = made_at - interval '2 days', ends_at = now() - interval '1 second'"
        " WHERE student_id = $1",
        student_id,
    )


async def waived(harness: Harness, attempt_id: UUID) -> Any:
    text = await harness.clearance.pool.fetchval(
        "SELECT waivers FROM published.attempt_waiver_v1 WHERE attempt_id = $1", attempt_id
    )
    return json.loads(text) if text else []


async def test_a_waived_check_does_not_stop_a_submission_and_the_form_says_so(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    assert await harness.state(await harness.submitted(student_id)) == ("refused", "objected")
    await exempt(harness, student_id)
    attempt_id = await harness.submitted(student_id)
    assert await harness.state(attempt_id) == ("accepted", "")
    (frozen,) = await waived(harness, attempt_id)
    assert (frozen["department"], frozen["check"], frozen["kind"]) == ("library", "thesis", "not-applicable")
    form = await harness.submission(student_id)
    assert form is not None
    payload = payload_of(form["receipt"])
    assert payload is not None
    assert payload["waived"] == {
        "library": {"thesis": {"kind": "not-applicable", "reason": "涉密论文", "until": UNTIL}}
    }
    said = {one["check"]: one["verdict"] for one in json.loads(form["facts"])["library"]["checks"]}
    assert said == {"borrowing": "clear", "thesis": "blocked"}, "the department's word stays on record"
    details = await harness.clearance.pool.fetchval(
        "SELECT details FROM audit.entry WHERE act = 'submission.accept' AND student_id = $1", student_id
    )
    assert json.loads(details)["waived"] == ["library.thesis not-applicable"]


async def test_a_waived_check_waives_no_other(harness: Harness) -> None:
    student_id = await harness.student(library=OWING.model_copy(update={"thesis": Thesis.NOT_SUBMITTED}))
    await exempt(harness, student_id)
    attempt_id = await harness.submitted(student_id)
    assert await harness.state(attempt_id) == ("refused", "objected")
    objections = json.loads((await harness.attempt(attempt_id))["objections"])
    assert [reason["code"] for reason in objections["library"]] == ["books-not-returned"], "of what was asked only"


async def test_a_debt_on_another_check_between_attestation_and_acceptance_meets_the_hold(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    await exempt(harness, student_id)
    attempt_id = await harness.submit(student_id)
    question = await harness.question()
    asked = read(question.value)
    assert isinstance(asked, SubmissionRequested)
    assert asked.waived == {"library": ("thesis",)}
    await harness.ask_departments(question, "library")
    with pytest.raises(Held):
        await harness.set("library", student_id, OWING.model_copy(update={"thesis": Thesis.NOT_SUBMITTED}))
    await harness.set("library", student_id, CLEAR_LIBRARY)
    await harness.ask_departments(question, "archives", "dorm", "finance")
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("accepted", "")
    assert await harness.holds(student_id) == {}


async def test_an_exemption_withdrawn_while_an_attempt_is_open_refuses_it(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    await exempt(harness, student_id)
    attempt_id = await harness.submit(student_id)
    await decide(harness, WITHDRAW, student_id)
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "waiver-ended")
    assert await harness.holds(student_id) == {}
    assert await harness.state(await harness.submitted(student_id)) == ("refused", "objected")


async def test_an_exemption_that_ends_while_an_attempt_is_open_refuses_it(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    await exempt(harness, student_id)
    attempt_id = await harness.submit(student_id)
    await end_now(harness, student_id)
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "waiver-ended")


async def test_an_exemption_made_while_an_attempt_is_open_is_the_next_ones(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    attempt_id = await harness.submit(student_id)
    await exempt(harness, student_id)
    await harness.deliver_all()
    assert await harness.state(attempt_id) == ("refused", "objected")
    assert await harness.state(await harness.submitted(student_id)) == ("accepted", "")


async def test_a_released_debt_opens_no_exception_and_a_new_one_elsewhere_does(harness: Harness) -> None:
    student_id = await harness.student(finance=OWED)
    await exempt(harness, student_id, "finance.arrears", RELEASE)
    attempt_id = await harness.submitted(student_id)
    assert await harness.state(attempt_id) == ("accepted", "")
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        await exceptions.update_recent(connection)
    form = await harness.submission(student_id)
    assert form is not None
    assert form["exception_count"] == 0
    await harness.set("library", student_id, OWING)
    await harness.deliver_all()
    form = await harness.submission(student_id)
    assert form is not None
    assert form["exception_count"] == 1


async def test_a_department_with_nothing_to_ask_is_not_waited_for(harness: Harness) -> None:
    student_id = await harness.student(finance=OWED)
    await exempt(harness, student_id, "finance.arrears", RELEASE)
    attempt_id = await harness.submit(student_id)
    await harness.deliver_all(without=["finance"])
    assert await harness.state(attempt_id) == ("accepted", "")
    assert "finance" not in (await harness.attempt(attempt_id))["required"]


async def test_when_everything_is_waived_every_department_still_answers(harness: Harness) -> None:
    student_id = await harness.student(library=OWING, finance=OWED)
    for name, checks in required_checks(harness.manifests).items():
        for check in checks:
            await exempt(harness, student_id, f"{name}.{check}")
    attempt_id = await harness.submit(student_id)
    await harness.deliver_all(without=["dorm"])
    assert (await harness.state(attempt_id))[0] == "open"
    attempt = await harness.attempt(attempt_id)
    assert set(attempt["required"]) == set(harness.manifests)


async def test_a_rule_waives_by_the_roster_and_is_asked_again_at_the_end(harness: Harness) -> None:
    student_id = await harness.student(dorm={})
    rule = CheckRule.model_validate(
        {
            "checks": ["library.thesis"],
            "when": {"study_form": ["非全日制"]},
            "reason": {"zh": "非全日制论文由学院归档", "en": "Part-time theses are filed by the college"},
        }
    )
    harness.policy.__dict__["not_applicable"] = (rule,)
    try:
        part_time = person(student_id).model_copy(update={"study_form": "　非全日制 "})
        async with harness.clearance.pool.acquire() as connection, connection.transaction():
            await harness.roster.put(connection, part_time, now=datetime.now(UTC))
        await harness.set("library", student_id, NO_THESIS)
        attempt_id = await harness.submit(student_id)
        (frozen,) = await waived(harness, attempt_id)
        assert (frozen["kind"], frozen["reason"], frozen["until"]) == ("by-rule", "非全日制论文由学院归档", None)
        async with harness.clearance.pool.acquire() as connection, connection.transaction():
            await harness.roster.put(connection, person(student_id), now=datetime.now(UTC))
        await harness.deliver_all()
        assert await harness.state(attempt_id) == ("refused", "waiver-ended"), "the roster was corrected meanwhile"
    finally:
        harness.policy.__dict__["not_applicable"] = ()


async def test_an_exemption_is_made_only_for_a_check_that_exists_and_a_case_that_is_open(harness: Harness) -> None:
    student_id = await harness.student()
    for check, until in (("library.bicycle", UNTIL), ("library.thesis", "2020-01-01")):
        with pytest.raises(ActionRefused):
            await decide(harness, NOT_APPLICABLE, student_id, check, until=until)
    with pytest.raises(ActionRefused, match="no-exemption"):
        await decide(harness, WITHDRAW, student_id)
    assert await harness.state(await harness.submitted(student_id)) == ("accepted", "")
    with pytest.raises(ActionRefused, match="already-submitted"):
        await exempt(harness, student_id)


async def test_a_new_exemption_takes_the_place_of_the_one_before(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    await exempt(harness, student_id)
    await exempt(harness, student_id, name=RELEASE)
    rows = await harness.clearance.pool.fetch(
        "SELECT kind, withdrawn_at IS NULL AS stands, withdrawn_by FROM exemption WHERE student_id = $1"
        " ORDER BY exemption_id",
        student_id,
    )
    assert [tuple(row) for row in rows] == [("not-applicable", False, "clerk-b"), ("released", True, None)]


async def test_a_later_case_of_the_same_number_has_no_exemption_of_the_one_before(harness: Harness) -> None:
    student_id = await harness.student(library=NO_THESIS)
    await exempt(harness, student_id)
    assert (await harness.state(await harness.submitted(student_id)))[0] == "accepted"
    later = person(student_id).model_copy(update={"major": "采矿工程", "enrolled_on": date(2026, 9, 1)})
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        opened = await harness.roster.put(connection, later, now=datetime.now(UTC))
    assert opened.case.case_number == 2
    await harness.deliver_all()
    await harness.clear_again(student_id)
    await harness.set("library", student_id, NO_THESIS)
    await harness.deliver_all()
    assert await harness.state(await harness.submitted(student_id)) == ("refused", "objected")
    await exempt(harness, student_id)
    assert (await harness.state(await harness.submitted(student_id)))[0] == "accepted"
