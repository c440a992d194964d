"""Invariants of the confirmation round: who was accepted on what, who held whom, and how it all ended. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from schemas.events import SubmissionAccepted
from services.kit.receipts.jws import InvalidSignature, public_keys
from services.kit.receipts.qr import verify_text
from tests.support.checker.evidence import (
    Attested,
    CommandWrite,
    EndReceived,
    Evidence,
    FormVoided,
    HoldPlaced,
    HoldReleased,
    RecordWrite,
    SubmissionInsert,
)
from tests.support.checker.history import Kind, Outcome
from tests.support.checker.vouching import replayed
from tests.support.checker.waiver_checks import asked_checks

SUBMIT = "submit"


def no_wrong_pass(evidence: Evidence) -> Iterator[str]:
    """S1: every accepted attempt rests on a department's own transaction, and nothing took the pass away until its end.

    By the department's own order: its rules say clear of the record that was attested, and of every record it wrote
    until it heard of the acceptance, waived checks aside.
    """
    for submission in evidence.clearance.submissions:
        whole = submission.student_id, submission.attempt_id
        for who, attempt_id in numbers_of(evidence, submission.attempt_id) or [whole]:
            for name in evidence.required:
                asked = asked_checks(evidence, attempt_id, name)
                if asked:
                    yield from _wrong_pass(evidence, who, attempt_id, name, asked)


def _wrong_pass(evidence: Evidence, who: str, attempt_id: str, name: str, asked: frozenset[str]) -> Iterator[str]:
    every = frozenset(evidence.required[name])
    attested = clear = False
    for fact in evidence.departments[name].service.journal:
        if fact.__class__ not in (RecordWrite, Attested, EndReceived) or getattr(fact, "student_id", None) != who:
            continue
        if isinstance(fact, RecordWrite):
            clear = fact.clear or (asked != every and asked <= fact.clear_checks)
            if attested and not clear:
                yield f"{name} took the pass of attempt {attempt_id} away before it heard of the acceptance"
        elif isinstance(fact, Attested) and fact.attempt_id == attempt_id:
            attested = True
            if not (fact.clear and clear):
                yield f"{name} did not find the student clear when it answered attempt {attempt_id}, which was accepted"
        elif isinstance(fact, EndReceived) and fact.attempt_id == attempt_id:
            if not attested:
                break
            return
    if not attested:
        yield f"attempt {attempt_id} was accepted without {name}'s own word on it"


def numbers_of(evidence: Evidence, attempt_id: str) -> list[tuple[str, str]]:
    """(student number, attempt) of an attempt and of its parts about former numbers."""
    attempts = evidence.clearance.attempts
    own = [(attempts[attempt_id].student_id, attempt_id)] if attempt_id in attempts else []
    return own + [(part.student_id, part_id) for part_id, part in attempts.items() if part.part_of == attempt_id]


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
            part = evidence.clearance.attempts.get(str(event.attempt_id))
            whole = evidence.clearance.attempts.get(part.part_of) if part is not None else None
            attempt_id, who = (
                (part.part_of, whole.student_id) if part and whole else (event.attempt_id, event.student_id)
            )
            name = f"{attempt_id} {event.form_number}"
            if name not in stored.get(who, set()):
                yield f"announced was {name}, stored is {sorted(stored.get(who, set()))}"


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


def missing_is_not_pass(evidence: Evidence) -> Iterator[str]:
    """S11: an accepted form has every check of every required department, and each that was asked says clear."""
    for submission in evidence.clearance.submissions:
        attempt = evidence.clearance.attempts.get(submission.attempt_id)
        asked = {name for name in evidence.required if asked_checks(evidence, submission.attempt_id, name)}
        if attempt is None or not asked <= attempt.required:
            yield f"attempt {submission.attempt_id} did not ask every required department"
        for name in evidence.required:
            said = submission.facts.get(name, {}).get("checks", [])
            verdicts = {one["check"]: one["verdict"] for one in said}
            for one in sorted(asked_checks(evidence, submission.attempt_id, name)):
                if verdicts.get(one) != "clear":
                    yield f"accepted although {name}'s {one} is {verdicts.get(one, 'missing')}"


def form_binding(evidence: Evidence) -> Iterator[str]:
    """S17: the form is the submission as accepted, under a listed key, on the versions that were attested."""
    keys = public_keys(evidence.clearance.keys)
    for submission in evidence.clearance.submissions:
        try:
            payload = verify_text(submission.receipt, keys).payload
        except InvalidSignature as error:
            yield f"form {submission.form_number} does not verify: {error}"
            continue
        said = (payload["form"], payload["attempt"], payload["student"]["student_id"])
        if said != (submission.form_number, submission.attempt_id, submission.student_id):
            yield f"form {submission.form_number} is signed over another submission"
        if payload.get("replaces") != submission.replaces:
            yield f"form {submission.form_number} does not name, signed, the form that it replaces"
        for name, fact in submission.facts.items():
            signed = payload["departments"].get(name, {}).get("version")
            answer = evidence.clearance.answers.get((submission.attempt_id, name))
            if not signed == fact["version"] == (answer.version if answer else None):
                yield f"form {submission.form_number} speaks of another version of {name} than was attested"


def late_fail_visible(evidence: Evidence) -> Iterator[str]:
    """S18: after an acceptance the newest word decides whether an exception is open."""
    if not evidence.settled:
        return
    open_ = {(one.attempt_id, one.department) for one in evidence.clearance.exceptions if one.open}
    for submission in evidence.clearance.submissions:
        for name, department in () if submission.void else evidence.departments.items():
            said = department.records.get(submission.student_id)
            asked = asked_checks(evidence, submission.attempt_id, name)
            blocked = said is not None and not said.clear and not asked <= said.clear_checks
            if blocked != ((submission.attempt_id, name) in open_):
                yield (
                    f"{name} took the pass away after attempt {submission.attempt_id} and no exception is open"
                    if blocked
                    else f"an exception on attempt {submission.attempt_id} is open though {name} says clear"
                )


def hold_owned(evidence: Evidence) -> Iterator[str]:
    """S20: a hold goes only behind the end of its own attempt, and that end was decided by the clearance."""
    for name, department in evidence.departments.items():
        heard: set[str] = set()
        for fact in department.service.journal:
            if isinstance(fact, EndReceived):
                heard.add(fact.attempt_id)
            elif isinstance(fact, HoldReleased):
                attempt = evidence.clearance.attempts.get(fact.attempt_id)
                if fact.attempt_id not in heard:
                    yield f"{name} released attempt {fact.attempt_id} without having heard its end"
                elif attempt is None or attempt.state == "open":
                    yield f"{name} released attempt {fact.attempt_id}, which has not ended"


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


def no_leaked_hold(evidence: Evidence) -> Iterator[str]:
    """L4: every hold ends with its attempt."""
    if not evidence.settled:
        return
    for name, department in evidence.departments.items():
        for _, attempt_id in department.holds:
            attempt = evidence.clearance.attempts.get(attempt_id)
            yield f"{name} holds for attempt {attempt_id}, which is {attempt.state if attempt else 'unknown'}"
        holding = {fact.attempt_id for fact in department.service.journal if isinstance(fact, HoldPlaced)}
        released = {fact.attempt_id for fact in department.service.journal if isinstance(fact, HoldReleased)}
        kept = {attempt_id for _, attempt_id in department.holds}
        for attempt_id in sorted(holding - released - kept):
            yield f"{name}'s hold of attempt {attempt_id} went without a trace"
