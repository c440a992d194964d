"""Holds."""

from dataclasses import replace

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import EndReceived, Fact, HoldReleased
from tests.support.checker.evidence.tables import Attempt
from tests.support.samples.histories import ATTEMPT, WHO, attested, journal_of, with_department, with_journal
from tests.unit.support.checker.bad_histories.registry import OTHER, breaks, place


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


@breaks("L4")
def a_hold_that_outlives_its_attempt(evidence: Evidence) -> Evidence:
    journal = [fact for fact in journal_of(evidence, "finance") if not isinstance(fact, HoldReleased)]
    changed = with_journal(evidence, "finance", journal)
    return with_department(changed, "finance", replace(changed.departments["finance"], holds=((WHO, ATTEMPT),)))
