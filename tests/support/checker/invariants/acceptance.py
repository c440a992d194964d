"""Invariants of an acceptance: what it rests on, and what is seen of a later change. Pure."""

from collections.abc import Iterator

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import Attested, EndReceived, RecordWrite
from tests.support.checker.invariants.waivers import asked_checks


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


def whole_of(evidence: Evidence, attempt_id: str) -> str:
    """The attempt whose part about a former number it is; else itself."""
    attempt = evidence.clearance.attempts.get(attempt_id)
    return attempt.part_of if attempt is not None and attempt.part_of else attempt_id


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
