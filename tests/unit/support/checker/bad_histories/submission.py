"""Submissions: one of each, and an end for each."""

from dataclasses import replace

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import CommandWrite, EndReceived, SubmissionInsert
from tests.support.checker.evidence.tables import Attempt, Command
from tests.support.checker.history import Kind, Operation, Outcome
from tests.support.samples.histories import ATTEMPT, CANCEL, WHO, journal_of, with_journal
from tests.unit.support.checker.bad_histories.registry import OTHER, breaks


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


@breaks("S32")
def an_acceptance_that_a_restored_database_does_not_know(evidence: Evidence) -> Evidence:
    """Nor does its journal, which is in the same database: only the topic and those who received it know."""
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(), attempts={}))


@breaks("S32")
def an_acceptance_restored_under_another_number(evidence: Evidence) -> Evidence:
    submissions = tuple(replace(one, form_number="2026-000009") for one in evidence.clearance.submissions)
    return replace(evidence, clearance=replace(evidence.clearance, submissions=submissions))


@breaks("S32")
def an_acceptance_that_only_a_department_received(evidence: Evidence) -> Evidence:
    journal = [*journal_of(evidence, "finance"), EndReceived(30, "TS0000000002", OTHER, "accepted")]
    return with_journal(evidence, "finance", journal)
