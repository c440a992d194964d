"""Invariant of the outbox: what is committed is announced in the same transaction. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from schemas.events import (
    AttestationGiven,
    CommandAnswered,
    CommandAsked,
    StatusChanged,
    SubmissionAccepted,
    SubmissionRefused,
    SubmitAsked,
)
from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.facts import (
    AttemptChange,
    Attested,
    CommandEnded,
    CommandWrite,
    OutboxInsert,
    RecordWrite,
)
from tests.support.checker.evidence.tables import ServiceTables


def atomic_outbox(evidence: Evidence) -> Iterator[str]:
    """S4: a committed status has exactly one outbox row ever, in its transaction, and no row is without one.

    In the same way every answer, every end of an attempt and every command has its row in its own transaction.
    """
    for name, department in evidence.departments.items():
        yield from _statuses(name, department.service)
        posts = _posts(department.service)
        for fact in department.service.journal:
            if isinstance(fact, Attested) and (fact.tx, AttestationGiven, fact.attempt_id) not in posts:
                yield f"{name} answered attempt {fact.attempt_id} and put no answer into its outbox"
            if isinstance(fact, CommandEnded) and (fact.tx, CommandAnswered, fact.command_id) not in posts:
                yield f"{name} ended command {fact.command_id} and put no answer into its outbox"
    posts = _posts(evidence.clearance.service)
    for fact in evidence.clearance.service.journal:
        if isinstance(fact, AttemptChange) and fact.state != "open":
            kind = SubmissionAccepted if fact.state == "accepted" else SubmissionRefused
            if (fact.tx, kind, fact.attempt_id) not in posts:
                yield f"attempt {fact.attempt_id} became {fact.state} without a word in the outbox"
    posts = _posts(evidence.gateway.service)
    for fact in evidence.gateway.service.journal:
        if isinstance(fact, CommandWrite) and fact.state == "asked":
            kinds = (SubmitAsked, CommandAsked)
            if not any((fact.tx, kind, fact.command_id) in posts for kind in kinds):
                yield f"command {fact.command_id} was written and not put into the outbox"


def _statuses(name: str, service: ServiceTables) -> Iterator[str]:
    posted: dict[tuple[int, str, int], int] = defaultdict(int)
    for fact in service.journal:
        if isinstance(fact, OutboxInsert) and isinstance(fact.event, StatusChanged):
            posted[fact.tx, fact.event.student_id, fact.event.version] += 1
    versions: dict[str, int] = defaultdict(int)
    for fact in service.journal:
        if not isinstance(fact, RecordWrite) or fact.version == versions[fact.student_id]:
            continue
        if fact.version != versions[fact.student_id] + 1:
            yield f"{name} went from version {versions[fact.student_id]} of a student to {fact.version}"
        versions[fact.student_id] = fact.version
        count = posted.pop((fact.tx, fact.student_id, fact.version), 0)
        if count != 1:
            yield f"{name} committed version {fact.version} of a student with {count} outbox rows"
    for (_, _, version), count in posted.items():
        yield f"{name} put {count} rows for version {version} into the outbox and wrote no such status"


def _posts(service: ServiceTables) -> set[tuple[int, type, str]]:
    found: set[tuple[int, type, str]] = set()
    for fact in service.journal:
        if isinstance(fact, OutboxInsert):
            about = getattr(fact.event, "attempt_id", None) or getattr(fact.event, "command_id", "")
            found.add((fact.tx, type(fact.event), str(about)))
    return found
