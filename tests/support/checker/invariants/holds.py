"""Invariants of holds: each ends with its own attempt. Pure."""

from collections.abc import Iterator

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import EndReceived, HoldLapsed, HoldPlaced, HoldReleased


def hold_owned(evidence: Evidence) -> Iterator[str]:
    """S20: a hold goes only behind the end of its own attempt, which the clearance decided, or with the attempt's life.

    An attempt whose life is over was decided before, or is never accepted.
    """
    for name, department in evidence.departments.items():
        heard: set[str] = set()
        lapsed = {fact.attempt_id for fact in department.service.journal if isinstance(fact, HoldLapsed)}
        for fact in department.service.journal:
            if isinstance(fact, EndReceived):
                heard.add(fact.attempt_id)
            elif isinstance(fact, HoldReleased):
                attempt = evidence.clearance.attempts.get(fact.attempt_id)
                if fact.attempt_id in lapsed and (attempt is None or attempt.state != "open" or not evidence.settled):
                    continue
                if fact.attempt_id not in heard:
                    yield f"{name} released attempt {fact.attempt_id} without having heard its end"
                elif attempt is None or attempt.state == "open":
                    yield f"{name} released attempt {fact.attempt_id}, which has not ended"


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
