"""Invariants of the view: it shows what departments committed, and never an older version. Pure."""

import json
from collections.abc import Iterator

from schemas.events import UNKNOWN_REASONS, StatusChanged, Verdict
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import OutboxInsert, ViewWrite
from tests.support.checker.evidence.tables import ServiceTables


def no_invented_fact(evidence: Evidence) -> Iterator[str]:
    """S3: what the view shows, a committed transaction of that department wrote."""
    said = {name: _said(department.service) for name, department in evidence.departments.items()}
    for (student_id, name), shown in evidence.clearance.view.items():
        if shown.version and (student_id, shown.version, shown.status) not in said[name]:
            yield f"the view shows version {shown.version} of {name}, which it never wrote so"


def _said(service: ServiceTables) -> set[tuple[str, int, str]]:
    return {
        (fact.event.student_id, fact.event.version, fact.event.model_dump_json())
        for fact in service.journal
        if isinstance(fact, OutboxInsert) and isinstance(fact.event, StatusChanged)
    }


def monotone_view(evidence: Evidence) -> Iterator[str]:
    """S6: a version in the view never goes down."""
    shown: dict[tuple[str, str], int] = {}
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, ViewWrite):
            key = fact.student_id, fact.department
            if fact.version < shown.get(key, 0):
                yield f"the view of {fact.department} went from version {shown[key]} down to {fact.version}"
            shown[key] = fact.version


def convergence(evidence: Evidence) -> Iterator[str]:
    """S8: at rest the view is what the departments' own records say."""
    if not evidence.settled:
        return
    expected = {
        (student_id, name): (said.version, said.status)
        for name, department in evidence.departments.items()
        for student_id, said in department.records.items()
    }
    shown = {key: (said.version, said.status) for key, said in evidence.clearance.view.items() if said.version}
    for key in sorted(expected.keys() | shown.keys()):
        if expected.get(key) != shown.get(key):
            said, seen = (each.get(key, (0, ""))[0] for each in (expected, shown))
            yield f"{key[1]} says version {said} of a student and the view version {seen}"
    hidden = sum(not said.readable for said in evidence.clearance.view.values())
    if hidden:
        yield f"{hidden} items of the view are unreadable"


def shown_by_rules(evidence: Evidence) -> Iterator[str]:
    """S31: at rest the view shows as clear exactly what the department's rules and evidence say of the record now."""
    if not evidence.settled:
        return
    for name, department in evidence.departments.items():
        for student_id, record in department.records.items():
            shown = evidence.clearance.view.get((student_id, name))
            found = clear_in(shown.status) if shown is not None and shown.version else frozenset()
            for check in sorted(found ^ record.clear_checks):
                says = "clear" if check in record.clear_checks else "not clear"
                yield f"{name}'s {check} is {says} by its rules, and the view shows it otherwise"


def clear_in(status: str) -> frozenset[str]:
    """The checks that a status has as clear."""
    return frozenset(
        one["check"]
        for one in json.loads(status).get("checks", ())
        if one["verdict"] == Verdict.CLEAR and not UNKNOWN_REASONS & {reason["code"] for reason in one["reasons"]}
    )
