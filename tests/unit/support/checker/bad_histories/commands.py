"""Commands, the audit, and what clients were promised."""

from dataclasses import replace

from schemas.events import CommandOutcome
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.history import Kind, Operation, Outcome
from tests.support.samples.histories import (
    WHO,
    answered,
    journal_of,
    outbox_insert,
    record_write,
    with_department,
    with_journal,
)
from tests.unit.support.checker.bad_histories.registry import OTHER, breaks


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
