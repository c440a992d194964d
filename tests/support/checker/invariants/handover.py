"""Invariants of what follows an acceptance: void forms, exceptions and hand-overs. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import ExceptionWrite, FormVoided, Issued, IssueUndone


def handover_owned(evidence: Evidence) -> Iterator[str]:
    """S26: certificates are handed over for a form that stands, once until undone, with every open exception confirmed.

    By the clearance's own order: it locks the form for each of these.
    """
    void: set[str] = set()
    handed: dict[str, int] = {}
    exceptions: dict[str, set[str]] = defaultdict(set)
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, FormVoided):
            if fact.attempt_id in handed:
                yield f"the form of attempt {fact.attempt_id} was voided while its certificates were handed over"
            void.add(fact.attempt_id)
        elif isinstance(fact, ExceptionWrite):
            (exceptions[fact.attempt_id].add if fact.open else exceptions[fact.attempt_id].discard)(fact.name)
        elif isinstance(fact, Issued):
            if fact.attempt_id in void:
                yield f"certificates were handed over for attempt {fact.attempt_id}, whose form was void"
            if fact.attempt_id in handed:
                yield f"certificates were handed over twice for attempt {fact.attempt_id}"
            if overlooked := exceptions[fact.attempt_id] - fact.confirmed:
                yield f"attempt {fact.attempt_id} was handed over without confirming {sorted(overlooked)}"
            handed[fact.attempt_id] = fact.number
        elif isinstance(fact, IssueUndone) and handed.pop(fact.attempt_id, None) != fact.number:
            yield f"a hand-over of attempt {fact.attempt_id} was undone that did not stand"


def replaced_once(evidence: Evidence) -> Iterator[str]:
    """S27: each form of a case but the last is void, and names, signed, the one it replaces."""
    of_case: dict[tuple[str, int], list[tuple[str, str | None, bool]]] = defaultdict(list)
    for one in evidence.clearance.submissions:
        of_case[one.student_id, one.case_number].append((one.form_number, one.replaces, one.void))
    for (_, case_number), forms in of_case.items():
        replaced = {replaces for _, replaces, _ in forms if replaces}
        void = {number for number, _, is_void in forms if is_void}
        if not replaced <= void:
            yield f"{sorted(replaced - void)} of case {case_number} were replaced and are not void"
        if sum(not is_void for _, _, is_void in forms) > 1:
            yield f"{len(forms)} forms of case {case_number}, and more than one stands"
        if len(forms) - len(replaced) != 1:
            yield f"{len(forms)} forms of case {case_number} replace {len(replaced)}"
