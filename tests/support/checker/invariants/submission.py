"""Invariants of submissions: one standing form and one open command, and an end for each. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from schemas.events import SubmissionAccepted
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import Attested, CommandWrite, EndReceived, FormVoided, SubmissionInsert
from tests.support.checker.evidence.vouching import replayed
from tests.support.checker.history import Kind, Outcome
from tests.support.checker.invariants.acceptance import numbers_of, whole_of

SUBMIT = "submit"


def one_submission(evidence: Evidence) -> Iterator[str]:
    """S2: one standing form a case, one announcement an attempt, one open command; a reply names a stored form."""
    stored: dict[str, set[str]] = defaultdict(set)
    standing: dict[tuple[str, int], set[str]] = defaultdict(set)
    voided: set[str] = set()
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, FormVoided):
            voided.add(fact.attempt_id)
        elif isinstance(fact, SubmissionInsert):
            stored[fact.student_id].add(f"{fact.attempt_id} {fact.form_number}")
            forms = standing[fact.student_id, fact.case_number]
            if others := forms - voided:
                yield f"attempt {fact.attempt_id} was stored while {sorted(others)} stood in the same case"
            forms.add(fact.attempt_id)
    submissions = {one.attempt_id for one in evidence.clearance.submissions}
    for attempt_id, attempt in evidence.clearance.attempts.items():
        if not attempt.part_of and (attempt.state == "accepted") != (attempt_id in submissions):
            yield f"attempt {attempt_id} is {attempt.state}, and a form of it is {attempt_id in submissions}"
    yield from _announced(evidence, stored)
    for operation in evidence.operations:
        if operation.kind is Kind.DONE and operation.outcome is Outcome.OK:
            name = f"{operation.reply['attempt_id']} {operation.reply['form_number']}"
            if name not in stored[operation.student_id]:
                yield f"a reply named {name}, stored is {sorted(stored[operation.student_id])}"
    yield from _two_open_commands(evidence)


def _announced(evidence: Evidence, stored: Mapping[str, set[str]]) -> Iterator[str]:
    """An acceptance of another form than the one stored."""
    for record in evidence.records:
        event = record.event
        if isinstance(event, SubmissionAccepted) and record.event_id not in evidence.forged:
            attempt_id = whole_of(evidence, str(event.attempt_id))
            whole = evidence.clearance.attempts.get(attempt_id) if attempt_id != str(event.attempt_id) else None
            who = whole.student_id if whole is not None else event.student_id
            name = f"{attempt_id} {event.form_number}"
            if name not in stored.get(who, set()):
                yield f"announced was {name}, stored is {sorted(stored.get(who, set()))}"


def no_acceptance_lost(evidence: Evidence) -> Iterator[str]:
    """S32: what was published or answered as accepted is there, under its number, whatever was restored since."""
    kept = {(one.attempt_id, one.form_number) for one in evidence.clearance.submissions}
    given = set()
    for record in evidence.records:
        if isinstance(record.event, SubmissionAccepted) and record.event_id not in evidence.forged:
            given.add((whole_of(evidence, str(record.event.attempt_id)), record.event.form_number))
    for operation in evidence.operations:
        if operation.kind is Kind.DONE and operation.outcome is Outcome.OK:
            given.add((str(operation.reply["attempt_id"]), str(operation.reply["form_number"])))
    for attempt_id, number in sorted(given - kept):
        yield f"attempt {attempt_id} was accepted as {number}, and there is no such form"
    ended = {str(one.attempt_id) for one in evidence.clearance.submissions}
    for name, department in evidence.departments.items():
        for fact in department.service.journal:
            if not isinstance(fact, EndReceived) or fact.outcome != "accepted":
                continue
            if whole_of(evidence, fact.attempt_id) not in ended:
                yield f"{name} received that attempt {fact.attempt_id} was accepted, and there is no form of it"


def _two_open_commands(evidence: Evidence) -> Iterator[str]:
    states: dict[tuple[str, str, str], dict[str, CommandWrite]] = defaultdict(dict)
    for fact in evidence.gateway.service.journal:
        if not isinstance(fact, CommandWrite):
            continue
        others = states[fact.student_id, fact.department, fact.name]
        if fact.command_id not in others:
            for command_id, other in others.items():
                submission = fact.name == SUBMIT and not fact.department and fact.forms_before == other.forms_before
                if other.state == "asked" or (other.state == "done" and submission):
                    yield f"command {fact.command_id} was made while {command_id} was {other.state}"
        others[fact.command_id] = fact


def submission_live(evidence: Evidence) -> Iterator[str]:
    """L3: every ask comes to its end, and none is refused or left to expire without cause."""
    attempts, commands = evidence.clearance.attempts, evidence.gateway.commands
    if not evidence.settled:
        yield "things did not come to rest in time"
    for attempt_id, attempt in attempts.items():
        if attempt.state == "open":
            yield f"attempt {attempt_id} is still open"
        elif attempt.state == "expired" and not evidence.faulty:
            yield f"attempt {attempt_id} expired though nothing was broken"
        for name in attempt.objections:
            if all(_found_clear(evidence, name, who, asked) for who, asked in numbers_of(evidence, attempt_id)):
                yield f"{name} objected to attempt {attempt_id} though it could vouch for every check"
    for command_id, command in commands.items():
        if command.state == "asked":
            yield f"command {command_id} ({command.name}) was never answered"
        if command.name == SUBMIT and not command.department:
            state = attempts[command_id].state if command_id in attempts else "unknown"
            if (command.state == "done") != (state == "accepted"):
                yield f"command {command_id} is {command.state} and its attempt {state}"


def _found_clear(evidence: Evidence, name: str, student_id: str, attempt_id: str) -> bool:
    for fact, vouching in replayed(evidence.absent[name], evidence.departments[name].service.journal):
        if isinstance(fact, Attested) and fact.attempt_id == attempt_id:
            return vouching.clear(student_id)
    return False
