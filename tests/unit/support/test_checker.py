"""The checker itself: silent on a good history, and loud on each bad one, by the invariant that it breaks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.events import CommandOutcome
from tests.support.checker.checker import CHECKS, check, report
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import (
    Attested,
    CommandWrite,
    EndReceived,
    ExceptionWrite,
    Fact,
    FormVoided,
    HoldReleased,
    Issued,
    IssueUndone,
    JobWrite,
    LoadWrite,
    OutboxInsert,
    QuestionWrite,
    RecordWrite,
    RowDone,
    SubmissionInsert,
    ViewWrite,
)
from tests.support.checker.evidence.tables import Attempt, Command, ExemptionRow, NewestStatus, OpenDeadLetter
from tests.support.checker.history import Kind, Operation, Outcome
from tests.support.samples.histories import (
    ATTEMPT,
    CANCEL,
    NOW,
    WHO,
    answered,
    attested,
    good,
    journal_of,
    outbox_insert,
    receipt,
    record_write,
    with_department,
    with_journal,
)

OTHER = "00000000-0000-4000-8000-00000000000f"
BAD: list[tuple[str, str, Callable[[Evidence], Evidence]]] = []


def breaks(invariant: str) -> Callable[[Callable[[Evidence], Evidence]], Callable[[Evidence], Evidence]]:
    def register(make: Callable[[Evidence], Evidence]) -> Callable[[Evidence], Evidence]:
        BAD.append((invariant, make.__name__, make))
        return make

    return register


def place(journal: list[Fact], kind: type) -> int:
    return next(at for at, fact in enumerate(journal) if isinstance(fact, kind))


def _attested(fact: Fact) -> Attested:
    assert isinstance(fact, Attested)
    return fact


@breaks("S1")
def a_charge_between_the_attestation_and_the_acceptance(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "finance")
    late: list[Fact] = [journal.pop(), journal.pop()][::-1]
    at = place(journal, EndReceived)
    return with_journal(evidence, "finance", journal[:at] + late + journal[at:])


@breaks("S1")
def an_attestation_that_says_clear_of_a_blocked_record(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "finance")
    assert isinstance(journal[0], RecordWrite)
    journal[0] = replace(journal[0], clear=False)
    return with_journal(evidence, "finance", journal)


@breaks("S1")
def an_acceptance_that_a_department_was_never_asked_for(evidence: Evidence) -> Evidence:
    journal = [fact for fact in journal_of(evidence, "finance") if not isinstance(fact, Attested)]
    return with_journal(evidence, "finance", journal)


@breaks("S1")
def an_acceptance_on_an_older_attempts_attestation(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "finance")
    at = place(journal, Attested)
    journal[at] = replace(_attested(journal[at]), attempt_id=OTHER)
    return with_journal(evidence, "finance", journal)


@breaks("S2")
def two_submissions_of_one_student(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "clearance")
    return with_journal(evidence, "clearance", [*journal, SubmissionInsert(9, WHO, OTHER, "2026-000002")])


@breaks("S2")
def a_second_command_while_the_first_is_open(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "gateway")
    second = CommandWrite(3, WHO, OTHER, "", "submit", "asked")
    return with_journal(evidence, "gateway", [*journal[:-1], second, journal[-1]])


@breaks("S2")
def a_reply_that_names_another_form(evidence: Evidence) -> Evidence:
    reply = {"attempt_id": ATTEMPT, "form_number": "2026-999999"}
    return replace(evidence, operations=(Operation(Kind.DONE, WHO, Outcome.OK, reply=reply),))


@breaks("S3")
def a_view_that_shows_what_nobody_said(evidence: Evidence) -> Evidence:
    invented = NewestStatus(2, "{}", True)
    view = {**evidence.clearance.view, (WHO, "library"): invented}
    return replace(evidence, clearance=replace(evidence.clearance, view=view))


@breaks("S4")
def a_change_without_its_row(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", journal_of(evidence, "finance")[:-1])


@breaks("S4")
def a_row_in_another_transaction(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "finance")
    journal[-1] = replace(journal[-1], tx=5)
    return with_journal(evidence, "finance", journal)


@breaks("S4")
def an_acceptance_nobody_is_told_of(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "clearance")
    return with_journal(evidence, "clearance", [*journal[:6], journal[7]])


@breaks("S5")
def a_row_that_left_the_outbox_and_reached_no_topic(evidence: Evidence) -> Evidence:
    return replace(evidence, records=evidence.records[:-1])


@breaks("S5")
def a_row_that_still_waits_at_rest(evidence: Evidence) -> Evidence:
    service = replace(evidence.gateway.service, outbox_left=1)
    return replace(evidence, gateway=replace(evidence.gateway, service=service))


@breaks("S25")
def a_status_that_left_behind_a_newer_one(evidence: Evidence) -> Evidence:
    topic = "x.library.status.v1"
    first, second = (record for record in evidence.records if record.topic == topic and record.offset)
    swapped = [replace(first, offset=second.offset), replace(second, offset=first.offset)]
    others = [record for record in evidence.records if record.topic != topic]
    return replace(evidence, records=(*others, *swapped))


@breaks("S6")
def a_view_that_goes_back(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "clearance", [*journal_of(evidence, "clearance"), ViewWrite(9, WHO, "finance", 1)])


@breaks("S8")
def a_view_that_stays_behind(evidence: Evidence) -> Evidence:
    view = {key: said for key, said in evidence.clearance.view.items() if key[1] == "library"}
    return replace(evidence, clearance=replace(evidence.clearance, view=view))


@breaks("S11")
def an_acceptance_without_a_required_department(evidence: Evidence) -> Evidence:
    attempts = {ATTEMPT: Attempt(WHO, "accepted", frozenset({"library"}))}
    return replace(evidence, clearance=replace(evidence.clearance, attempts=attempts))


@breaks("S11")
def an_acceptance_without_a_required_check(evidence: Evidence) -> Evidence:
    return replace(evidence, required={**evidence.required, "finance": ("arrears", "deposit")})


def waived(evidence: Evidence, *exemptions: ExemptionRow, kind: str = "not-applicable") -> Evidence:
    """The finance office was not asked, and had objected."""
    form = evidence.clearance.submissions[0]
    facts = {"library": form.facts["library"]}
    clearance = replace(
        evidence.clearance,
        attempts={
            ATTEMPT: Attempt(
                WHO,
                "accepted",
                frozenset({"library"}),
                waived=(("finance", "arrears", kind),),
                opened_at=NOW,
                ended_at=NOW + timedelta(seconds=1),
            )
        },
        submissions=(replace(form, facts=facts, receipt=receipt(facts)),),
        exceptions=(),
        exemptions=exemptions,
    )
    return replace(evidence, clearance=clearance)


def exemption(**other: Any) -> ExemptionRow:
    day = timedelta(days=1)
    return replace(ExemptionRow(WHO, "finance", "arrears", NOW - day, NOW + day), **other)


def test_a_check_that_was_waived_with_cause_is_no_anomaly() -> None:
    assert [one for one in check(waived(good(), exemption())) if one.invariant != "S4"] == []
    ruled = replace(waived(good(), kind="by-rule"), ruled={WHO: frozenset({("finance", "arrears")})})
    assert [one for one in check(ruled) if one.invariant != "S4"] == []


@breaks("S30")
def a_waiver_without_an_exemption(evidence: Evidence) -> Evidence:
    return waived(evidence)


@breaks("S30")
def an_exemption_withdrawn_before_the_attempt(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(withdrawn_at=NOW - timedelta(seconds=1)))


@breaks("S30")
def an_exemption_withdrawn_while_the_attempt_was_open(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(withdrawn_at=NOW + timedelta(milliseconds=1)))


@breaks("S30")
def an_exemption_that_had_ended(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(ends_at=NOW))


@breaks("S30")
def an_exemption_made_after_the_attempt_opened(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(made_at=NOW + timedelta(milliseconds=1)))


@breaks("S30")
def an_exemption_of_another_check(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(check="deposit"))


@breaks("S30")
def a_rule_that_does_not_fit(evidence: Evidence) -> Evidence:
    return waived(evidence, kind="by-rule")


@breaks("S30")
def a_blocked_check_that_nothing_waived(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    (arrears,) = form.facts["finance"]["checks"]
    facts = {**form.facts, "finance": {**form.facts["finance"], "checks": [{**arrears, "verdict": "blocked"}]}}
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(replace(form, facts=facts),)))


@breaks("S12")
def a_command_done_twice(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "library")
    again = [
        *record_write(9, "library", 3, clear=True),
        outbox_insert(9, "x.library.answer.v1", answered(CommandOutcome.DONE)),
    ]
    return with_journal(evidence, "library", [*journal, *again])


@breaks("S12")
def a_command_answered_in_two_ways(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "library")
    return with_journal(
        evidence, "library", [*journal, outbox_insert(9, "x.library.answer.v1", answered(CommandOutcome.REFUSED))]
    )


@breaks("S13")
def a_consumer_that_stands_before_the_end(evidence: Evidence) -> Evidence:
    return replace(evidence, ends={("x.library.status.v1", 0): 3})


@breaks("S13")
def an_event_of_ours_among_the_dead_letters(evidence: Evidence) -> Evidence:
    letter = OpenDeadLetter("x.clearance", "x.library.status.v1", evidence.records[0].value, "not a status")
    service = replace(evidence.clearance.service, dead_letters=(letter,))
    return replace(evidence, clearance=replace(evidence.clearance, service=service))


@breaks("S17")
def a_form_with_one_letter_changed(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    text = form.receipt[:60] + ("A" if form.receipt[60] != "A" else "B") + form.receipt[61:]
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(replace(form, receipt=text),)))


@breaks("S17")
def a_form_of_another_submission(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    text = receipt(dict(form.facts), form="2026-777777")
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(replace(form, receipt=text),)))


@breaks("S18")
def a_debt_after_the_acceptance_that_nobody_sees(evidence: Evidence) -> Evidence:
    return replace(evidence, clearance=replace(evidence.clearance, exceptions=()))


@breaks("S20")
def a_hold_released_by_another_attempts_end(evidence: Evidence) -> Evidence:
    journal = journal_of(evidence, "finance")
    at = place(journal, EndReceived)
    others: list[Fact] = [
        *attested(2, "finance", 1, attempt_id=OTHER),
        EndReceived(3, WHO, OTHER, "refused"),
        HoldReleased(3, WHO, ATTEMPT),
    ]
    return with_journal(evidence, "finance", journal[:at] + others + journal[at:])


@breaks("S20")
def a_hold_released_while_its_attempt_is_open(evidence: Evidence) -> Evidence:
    attempts = {ATTEMPT: Attempt(WHO, "open", frozenset({"library", "finance"}))}
    return replace(evidence, clearance=replace(evidence.clearance, attempts=attempts))


@breaks("S21")
def an_acceptance_without_an_entry(evidence: Evidence) -> Evidence:
    service = replace(evidence.clearance.service, audit=())
    return replace(evidence, clearance=replace(evidence.clearance, service=service))


@breaks("S21")
def a_chain_with_a_changed_byte(evidence: Evidence) -> Evidence:
    service = replace(evidence.gateway.service, chain_problems=("seal 3: entry 3 or the seal was changed",))
    return replace(evidence, gateway=replace(evidence.gateway, service=service))


@breaks("S22")
def a_refused_charge_that_is_there(evidence: Evidence) -> Evidence:
    department = replace(evidence.departments["finance"], requests=frozenset({"late-charge", "charge-while-held"}))
    return with_department(evidence, "finance", department)


@breaks("S22")
def a_charge_said_to_be_done_that_is_not_there(evidence: Evidence) -> Evidence:
    return with_department(evidence, "finance", replace(evidence.departments["finance"], requests=frozenset()))


@breaks("S22")
def a_reply_that_names_a_command_nobody_wrote(evidence: Evidence) -> Evidence:
    return replace(evidence, operations=(Operation(Kind.ASK, WHO, Outcome.OK, reply={"command_id": OTHER}),))


def _after(evidence: Evidence, *facts: Fact) -> Evidence:
    return with_journal(evidence, "clearance", [*journal_of(evidence, "clearance"), *facts])


@breaks("S26")
def a_hand_over_of_a_void_form(evidence: Evidence) -> Evidence:
    return _after(evidence, FormVoided(9, WHO, ATTEMPT), Issued(10, ATTEMPT, 1, frozenset()))


@breaks("S26")
def a_void_of_a_form_whose_certificates_are_out(evidence: Evidence) -> Evidence:
    return _after(evidence, Issued(9, ATTEMPT, 1, frozenset({"finance 2"})), FormVoided(10, WHO, ATTEMPT))


@breaks("S26")
def certificates_handed_over_twice(evidence: Evidence) -> Evidence:
    return _after(evidence, *(Issued(9 + number, ATTEMPT, number, frozenset()) for number in (1, 2)))


@breaks("S26")
def a_hand_over_that_overlooks_an_exception(evidence: Evidence) -> Evidence:
    opened = [ExceptionWrite(9, ATTEMPT, name, True) for name in ("finance 9", "roster 1")]
    return _after(evidence, *opened, Issued(10, ATTEMPT, 1, frozenset({"roster 1"})))


@breaks("S26")
def an_undo_of_a_hand_over_that_does_not_stand(evidence: Evidence) -> Evidence:
    undone = IssueUndone(10, ATTEMPT, 1)
    return _after(evidence, Issued(9, ATTEMPT, 1, frozenset()), undone, undone)


@breaks("S27")
def a_second_form_of_a_case_that_replaces_none(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    other = replace(form, attempt_id=OTHER, form_number="2026-000002")
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(form, other)))


@breaks("S27")
def a_form_that_replaces_one_that_stands(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    other = replace(form, attempt_id=OTHER, form_number="2026-000002", replaces=form.form_number)
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(form, other)))


@breaks("L3")
def an_attempt_without_an_end(evidence: Evidence) -> Evidence:
    attempts = {**evidence.clearance.attempts, OTHER: Attempt("TS0000000002", "open", frozenset({"library"}))}
    return replace(evidence, clearance=replace(evidence.clearance, attempts=attempts))


@breaks("L3")
def a_refusal_by_a_department_that_found_the_student_clear(evidence: Evidence) -> Evidence:
    refused = Attempt(WHO, "refused", frozenset({"library", "finance"}), "objected", frozenset({"finance"}))
    return replace(evidence, clearance=replace(evidence.clearance, attempts={ATTEMPT: refused}))


@breaks("L3")
def a_command_nobody_answers(evidence: Evidence) -> Evidence:
    commands = {**evidence.gateway.commands, CANCEL: Command(WHO, "library", "cancel-card", "asked")}
    return replace(evidence, gateway=replace(evidence.gateway, commands=commands))


@breaks("L3")
def an_expiry_though_nothing_was_broken(evidence: Evidence) -> Evidence:
    attempts = {**evidence.clearance.attempts, OTHER: Attempt("TS0000000002", "expired", frozenset({"library"}))}
    return replace(evidence, clearance=replace(evidence.clearance, attempts=attempts))


@breaks("L4")
def a_hold_that_outlives_its_attempt(evidence: Evidence) -> Evidence:
    journal = [fact for fact in journal_of(evidence, "finance") if not isinstance(fact, HoldReleased)]
    changed = with_journal(evidence, "finance", journal)
    return with_department(changed, "finance", replace(changed.departments["finance"], holds=((WHO, ATTEMPT),)))


def without_evidence(journal: list[Fact]) -> list[Fact]:
    """The department never had a row or act about the student."""
    return [replace(fact, own=frozenset()) if isinstance(fact, RecordWrite) else fact for fact in journal]


def load(cohort: str | None = None, checks: frozenset[str] = frozenset({"arrears"}), **fields: Any) -> LoadWrite:
    return LoadWrite(**{"tx": 0, "load_id": "L", "as_of": NOW, "valid": True, **fields}, cohort=cohort, checks=checks)


def question(**fields: Any) -> QuestionWrite:
    return QuestionWrite(**{"tx": 0, "question_id": 1, "student_id": WHO, "opened_at": NOW, **fields})


@breaks("S28")
def a_pass_of_a_student_nobody_spoke_of(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", without_evidence(journal_of(evidence, "finance")))


@breaks("S28")
def a_pass_by_the_list_of_another_cohort(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "finance"))
    return with_journal(evidence, "finance", [load("2027"), *journal])


@breaks("S28")
def a_pass_by_a_list_for_another_check(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "finance"))
    return with_journal(evidence, "finance", [load(checks=frozenset({"thesis"})), *journal])


@breaks("S28")
def a_pass_that_outlives_its_withdrawn_list(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "library"))
    covered = load(checks=frozenset({"borrowing"}))
    return with_journal(evidence, "library", [covered, *journal, replace(covered, valid=False)])


@breaks("S28")
def a_pass_by_a_list_that_a_refused_file_put_in_doubt(evidence: Evidence) -> Evidence:
    journal = without_evidence(journal_of(evidence, "finance"))
    doubt = question(student_id="", opened_at=NOW + timedelta(seconds=1))
    return with_journal(evidence, "finance", [load(), doubt, *journal])


@breaks("S28")
def a_pass_with_an_open_question(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", [question(), *journal_of(evidence, "finance")])


@breaks("S28")
def a_pass_with_a_question_that_only_a_withdrawn_list_answered(evidence: Evidence) -> Evidence:
    answered_by = question(closed_how="covered", closed_load="L")
    return with_journal(evidence, "finance", [load(valid=False), answered_by, *journal_of(evidence, "finance")])


@breaks("S28")
def a_refused_row_that_opens_no_question(evidence: Evidence) -> Evidence:
    return with_journal(evidence, "finance", [RowDone(9, "J", 2, "rejected", WHO), *journal_of(evidence, "finance")])


@breaks("S28")
def a_question_settled_by_a_row_of_its_own_file(evidence: Evidence) -> Evidence:
    own = question(tx=9, job_id="J", row=2, closed_how="settled")
    journal: list[Fact] = [
        replace(own, tx=8, closed_how=""),
        RowDone(8, "J", 2, "rejected", WHO),
        own,
        RowDone(9, "J", 3, "applied"),
    ]
    return with_journal(evidence, "finance", [*journal, *journal_of(evidence, "finance")])


@breaks("S28")
def a_list_by_a_file_that_was_read_in_part(evidence: Evidence) -> Evidence:
    rows: list[Fact] = [RowDone(9, "J", 2, "applied"), JobWrite(9, "J", True), load("2027", tx=9, job_id="J")]
    return with_journal(evidence, "finance", [*rows, *journal_of(evidence, "finance")])


@breaks("S28")
def a_list_by_a_file_with_a_row_of_nobody(evidence: Evidence) -> Evidence:
    rows: list[Fact] = [RowDone(9, "J", 2, "applied"), RowDone(9, "J", 3, "rejected"), load("2027", tx=9, job_id="J")]
    return with_journal(evidence, "finance", [*rows, *journal_of(evidence, "finance")])


def test_a_list_of_the_cohort_vouches_and_one_as_of_later_answers_a_refused_file() -> None:
    journal = without_evidence(journal_of(good(), "finance"))
    assert check(with_journal(good(), "finance", [load(), *journal])) == []
    doubt = question(student_id="", opened_at=NOW)
    assert check(with_journal(good(), "finance", [doubt, load(as_of=NOW + timedelta(seconds=1)), *journal])) == []


def test_a_good_history_has_no_anomaly() -> None:
    assert check(good()) == []
    assert report(good()).endswith("no anomaly")


@pytest.mark.parametrize(("invariant", "make"), [(i, m) for i, _, m in BAD], ids=[f"{i}-{n}" for i, n, _ in BAD])
def test_the_checker_sees(invariant: str, make: Callable[[Evidence], Evidence]) -> None:
    found = check(make(good()))
    assert invariant in [anomaly.invariant for anomaly in found], report(make(good()))
    assert all(anomaly.count and anomaly.example for anomaly in found)


def test_every_invariant_has_a_bad_history() -> None:
    assert {invariant for invariant, _, _ in BAD} == CHECKS.keys()


def test_what_the_test_forged_itself_may_be_parked() -> None:
    evidence = good()
    forged = next(fact for fact in evidence.clearance.service.journal if isinstance(fact, OutboxInsert))
    letter = OpenDeadLetter("x.clearance", forged.topic, evidence.records[-1].value, "nobody asked")
    service = replace(evidence.clearance.service, dead_letters=(letter,))
    parked = replace(evidence, clearance=replace(evidence.clearance, service=service))
    assert [anomaly.invariant for anomaly in check(parked)] == ["S13"]
    assert check(replace(parked, forged=frozenset({evidence.records[-1].event_id}))) == []


def test_before_things_have_come_to_rest_only_what_holds_always_is_asked() -> None:
    waiting = replace(a_row_that_still_waits_at_rest(good()), settled=False)
    assert [anomaly.invariant for anomaly in check(waiting)] == ["L3"], "and that they did not is said"


def test_a_form_voided_and_replaced_and_a_hand_over_undone_and_made_again_are_no_anomaly() -> None:
    issued, undone = Issued(9, ATTEMPT, 1, frozenset()), IssueUndone(10, ATTEMPT, 1)
    again, undone_too = Issued(11, ATTEMPT, 2, frozenset()), IssueUndone(12, ATTEMPT, 2)
    history = _after(good(), issued, undone, again, undone_too, FormVoided(13, WHO, ATTEMPT))
    assert check(history) == []
