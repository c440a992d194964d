"""Invariant of the audit: one entry for each decision, in a chain that verifies. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import AttemptChange, Attested, HoldReleased


def audit_complete(evidence: Evidence) -> Iterator[str]:
    """S21: each decision and each act has one entry, and the chain verifies."""
    for name, service in evidence.services.items():
        for problem in service.chain_problems:
            yield f"the audit of {name}: {problem}"
    entries: dict[tuple[str, str, str], int] = defaultdict(int)
    for name, service in evidence.services.items():
        for entry in service.audit:
            entries[name, entry.act, str(entry.details.get("attempt") or entry.details.get("command"))] += 1
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, AttemptChange) and fact.state != "open":
            attempt = evidence.clearance.attempts.get(fact.attempt_id)
            if attempt is not None and not attempt.required:
                continue  # refused before it was opened: that is the entry of the ask
            act = "submission.accept" if fact.state == "accepted" else "submission.refuse"
            if entries["clearance", act, fact.attempt_id] != 1:
                yield f"attempt {fact.attempt_id} became {fact.state} with no, or more than one, entry"
    for name, department in evidence.departments.items():
        for fact in department.service.journal:
            if isinstance(fact, Attested | HoldReleased):
                act = "attempt.attest" if isinstance(fact, Attested) else "attempt.release"
                if entries[name, act, fact.attempt_id] != 1:
                    yield f"{name}'s {act} of {fact.attempt_id} has {entries[name, act, fact.attempt_id]} entries"
