"""What an acceptance rests on, and what is seen of a later change."""

from dataclasses import replace

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import Attested, EndReceived, Fact, RecordWrite
from tests.support.checker.evidence.tables import Attempt
from tests.support.samples.histories import ATTEMPT, WHO, journal_of, with_journal
from tests.unit.support.checker.bad_histories.registry import OTHER, breaks, place


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
    fact = journal[at]
    assert isinstance(fact, Attested)
    journal[at] = replace(fact, attempt_id=OTHER)
    return with_journal(evidence, "finance", journal)


@breaks("S11")
def an_acceptance_without_a_required_department(evidence: Evidence) -> Evidence:
    attempts = {ATTEMPT: Attempt(WHO, "accepted", frozenset({"library"}))}
    return replace(evidence, clearance=replace(evidence.clearance, attempts=attempts))


@breaks("S11")
def an_acceptance_without_a_required_check(evidence: Evidence) -> Evidence:
    return replace(evidence, required={**evidence.required, "finance": ("arrears", "deposit")})


@breaks("S18")
def a_debt_after_the_acceptance_that_nobody_sees(evidence: Evidence) -> Evidence:
    return replace(evidence, clearance=replace(evidence.clearance, exceptions=()))
