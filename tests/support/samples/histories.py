"""A good history by hand: two departments, a student who cancels a card, submits, is accepted, is charged.

What each test breaks is one thing in it.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from joserfc.jwk import OKPKey

from schemas.codec import encode
from schemas.events import (
    AttestationGiven,
    AttestationOutcome,
    CheckStatus,
    CommandAnswered,
    CommandAsked,
    CommandOutcome,
    Message,
    Reason,
    StatusChanged,
    SubmissionAccepted,
    SubmissionRequested,
    SubmitAsked,
    Verdict,
)
from schemas.flows import source_of
from services.clearance.receipts.private_keys.files import LoadedKey
from services.kit.receipts.jws import sign
from tests.support.checker.evidence.evidence import Evidence, Record
from tests.support.checker.evidence.facts import (
    AttemptChange,
    Attested,
    CommandEnded,
    CommandWrite,
    EndReceived,
    Fact,
    HoldPlaced,
    HoldReleased,
    OutboxInsert,
    RecordWrite,
    SubmissionInsert,
    ViewWrite,
)
from tests.support.checker.evidence.tables import (
    Attempt,
    AuditEntry,
    ClearanceTables,
    Command,
    DepartmentTables,
    ExceptionRow,
    GatewayTables,
    NewestStatus,
    ServiceTables,
    Submission,
)
from tests.support.checker.history import Kind, Operation, Outcome

NOW = datetime(2026, 6, 8, 2, tzinfo=UTC)
WHO = "TS0000000001"
ATTEMPT = "00000000-0000-4000-8000-000000000001"
CANCEL = "00000000-0000-4000-8000-000000000002"
FORM = "2026-000001"
CHECKS = {"library": ("borrowing",), "finance": ("arrears",)}
ABSENT = {"library": {"borrowing": "blocked"}, "finance": {"arrears": "clear"}}
KEY = OKPKey.generate_key("Ed25519", private=True)
_ids = itertools.count(1)


def status(name: str, version: int, *, clear: bool) -> StatusChanged:
    verdict = Verdict.CLEAR if clear else Verdict.BLOCKED
    reasons = () if clear else (Reason(code="arrears"),)
    checks = tuple(CheckStatus(check=check, verdict=verdict, reasons=reasons) for check in CHECKS[name])
    return StatusChanged(
        student_id=WHO,
        department=name,
        version=version,
        occurred_at=NOW,
        cause=Reason(code="case-opened"),
        checks=checks,
    )


def outbox_insert(tx: int, topic: str, event: Message) -> OutboxInsert:
    return OutboxInsert(tx, topic, str(UUID(int=next(_ids), version=4)), event)


def record_write(tx: int, name: str, version: int, *, clear: bool, body: str = "") -> list[Fact]:
    """The record and, in the same transaction, its status."""
    return [
        RecordWrite(
            tx,
            WHO,
            clear,
            version,
            body or f"{name} {version}",
            frozenset(CHECKS[name] if clear else ()),
            frozenset(CHECKS[name]),
        ),
        outbox_insert(tx, f"x.{name}.status.v1", status(name, version, clear=clear)),
    ]


def attested(tx: int, name: str, version: int, *, attempt_id: str = ATTEMPT) -> list[Fact]:
    answer = AttestationGiven(
        attempt_id=UUID(attempt_id),
        student_id=WHO,
        department=name,
        outcome=AttestationOutcome.CLEAR,
        version=version,
        checks=status(name, version, clear=True).checks,
        attested_at=NOW,
    )
    return [
        HoldPlaced(tx, WHO, attempt_id),
        Attested(tx, WHO, attempt_id, True, version, frozenset(CHECKS[name])),
        outbox_insert(tx, f"x.{name}.attestation.v1", answer),
    ]


def ended(tx: int, *, attempt_id: str = ATTEMPT) -> list[Fact]:
    return [EndReceived(tx, WHO, attempt_id, "accepted"), HoldReleased(tx, WHO, attempt_id)]


def answered(outcome: CommandOutcome) -> CommandAnswered:
    return CommandAnswered(
        command_id=UUID(CANCEL), student_id=WHO, department="library", outcome=outcome, answered_at=NOW
    )


def round_audit() -> tuple[AuditEntry, ...]:
    details = {"attempt": ATTEMPT}
    return AuditEntry("attempt.attest", "held", WHO, details), AuditEntry("attempt.release", "accepted", WHO, details)


def library() -> DepartmentTables:
    journal = [
        *record_write(1, "library", 1, clear=False),
        *record_write(2, "library", 2, clear=True),
        CommandEnded(2, WHO, CANCEL, "done"),
        outbox_insert(2, "x.library.answer.v1", answered(CommandOutcome.DONE)),
        *attested(3, "library", 2),
        *ended(4),
    ]
    said = {
        WHO: NewestStatus(
            2, status("library", 2, clear=True).model_dump_json(), True, clear_checks=frozenset(CHECKS["library"])
        )
    }
    return DepartmentTables(ServiceTables(tuple(journal), audit=round_audit()), said)


def finance() -> DepartmentTables:
    journal = [
        *record_write(1, "finance", 1, clear=True),
        *attested(2, "finance", 1),
        *ended(3),
        *record_write(4, "finance", 2, clear=False),
    ]
    said = {WHO: NewestStatus(2, status("finance", 2, clear=False).model_dump_json(), False)}
    return DepartmentTables(
        ServiceTables(tuple(journal), audit=round_audit()), said, requests=frozenset({"late-charge"})
    )


def submission() -> Submission:
    facts = {
        name: {"version": version, "checks": [one.model_dump(mode="json") for one in said.checks]}
        for name, version in (("library", 2), ("finance", 1))
        for said in [status(name, version, clear=True)]
    }
    return Submission(WHO, ATTEMPT, FORM, facts, receipt(facts))


def receipt(facts: dict[str, Any], *, form: str = FORM) -> str:
    payload = {
        "form": form,
        "attempt": ATTEMPT,
        "student": {"student_id": WHO},
        "departments": {name: {"version": fact["version"]} for name, fact in facts.items()},
    }
    return sign(payload, LoadedKey("k1", KEY))


def clearance() -> ClearanceTables:
    required = tuple(sorted(CHECKS))
    requested = SubmissionRequested(
        attempt_id=UUID(ATTEMPT), student_id=WHO, required=required, opened_at=NOW, expires_at=NOW
    )
    accepted = SubmissionAccepted(attempt_id=UUID(ATTEMPT), student_id=WHO, form_number=FORM, accepted_at=NOW)
    topic = "x.clearance.submission.v1"
    journal: list[Fact] = [
        ViewWrite(1, WHO, "finance", 1),
        ViewWrite(2, WHO, "library", 2),
        AttemptChange(3, WHO, ATTEMPT, "open"),
        outbox_insert(3, topic, requested),
        AttemptChange(4, WHO, ATTEMPT, "accepted"),
        SubmissionInsert(4, WHO, ATTEMPT, FORM),
        outbox_insert(4, topic, accepted),
        ViewWrite(5, WHO, "finance", 2),
    ]
    view = {
        (WHO, "library"): NewestStatus(2, status("library", 2, clear=True).model_dump_json(), True),
        (WHO, "finance"): NewestStatus(2, status("finance", 2, clear=False).model_dump_json(), False),
    }
    audit = (AuditEntry("submission.accept", "accepted", WHO, {"attempt": ATTEMPT}),)
    return ClearanceTables(
        ServiceTables(tuple(journal), audit=audit, positions={("x.clearance", "x.library.status.v1", 0): 2}),
        view=view,
        attempts={ATTEMPT: Attempt(WHO, "accepted", frozenset(CHECKS))},
        answers={
            (ATTEMPT, "library"): Attested(0, WHO, ATTEMPT, True, 2),
            (ATTEMPT, "finance"): Attested(0, WHO, ATTEMPT, True, 1),
        },
        submissions=(submission(),),
        exceptions=(ExceptionRow(ATTEMPT, "finance", 2, True),),
        keys=({**KEY.as_dict(private=False), "kid": "k1"},),
    )


def gateway() -> GatewayTables:
    cancel = CommandAsked(
        command_id=UUID(CANCEL), student_id=WHO, department="library", command="cancel-card", asked_at=NOW
    )
    journal: list[Fact] = [
        CommandWrite(1, WHO, CANCEL, "library", "cancel-card", "asked"),
        outbox_insert(1, "x.gateway.command.v1", cancel),
        CommandWrite(2, WHO, CANCEL, "library", "cancel-card", "done"),
        CommandWrite(3, WHO, ATTEMPT, "", "submit", "asked"),
        outbox_insert(3, "x.gateway.command.v1", SubmitAsked(command_id=UUID(ATTEMPT), student_id=WHO, asked_at=NOW)),
        CommandWrite(4, WHO, ATTEMPT, "", "submit", "done"),
    ]
    commands = {
        CANCEL: Command(WHO, "library", "cancel-card", "done"),
        ATTEMPT: Command(WHO, "", "submit", "done"),
    }
    return GatewayTables(ServiceTables(tuple(journal)), commands)


def operations() -> tuple[Operation, ...]:
    return (
        Operation(Kind.ASK, WHO, Outcome.OK, reply={"command_id": ATTEMPT}),
        Operation(Kind.ASK, WHO, Outcome.UNKNOWN),
        Operation(Kind.DONE, WHO, Outcome.OK, reply={"attempt_id": ATTEMPT, "form_number": FORM}),
        Operation(Kind.DESK, WHO, Outcome.FAILED, "finance", "charge-while-held"),
        Operation(Kind.DESK, WHO, Outcome.OK, "finance", "late-charge", reply={"version": 2}),
    )


def arrived(*services: ServiceTables) -> tuple[Record, ...]:
    """Everything that was posted, in its topic, and the first of it twice."""
    facts = [fact for service in services for fact in service.journal if isinstance(fact, OutboxInsert)]
    return tuple(record(fact, offset) for offset, fact in enumerate([facts[0], *facts]))


def record(fact: OutboxInsert, offset: int) -> Record:
    value = encode(fact.event, event_id=UUID(fact.event_id), source=source_of("x"), time=NOW)
    return Record(fact.topic, 0, offset, WHO, value, fact.event_id, fact.event)


def good() -> Evidence:
    """A history without an anomaly."""
    departments = {"library": library(), "finance": finance()}
    evidence = Evidence(
        required=CHECKS,
        absent=ABSENT,
        departments=departments,
        clearance=clearance(),
        gateway=gateway(),
        ends={("x.library.status.v1", 0): 2},
        subscriptions={"x.clearance": frozenset({"x.library.status.v1"})},
        operations=operations(),
    )
    return replace(evidence, records=arrived(*evidence.services.values()))


def with_journal(evidence: Evidence, name: str, journal: Sequence[Fact]) -> Evidence:
    """The same with another journal of a department, the clearance or the gateway; what it posted arrives."""
    if name == "clearance":
        service = replace(evidence.clearance.service, journal=tuple(journal))
        changed = replace(evidence, clearance=replace(evidence.clearance, service=service))
    elif name == "gateway":
        service = replace(evidence.gateway.service, journal=tuple(journal))
        changed = replace(evidence, gateway=replace(evidence.gateway, service=service))
    else:
        department = evidence.departments[name]
        service = replace(department.service, journal=tuple(journal))
        changed = with_department(evidence, name, replace(department, service=service))
    return replace(changed, records=arrived(*changed.services.values()))


def with_department(evidence: Evidence, name: str, department: DepartmentTables) -> Evidence:
    return replace(evidence, departments={**evidence.departments, name: department})


def journal_of(evidence: Evidence, name: str) -> list[Fact]:
    return list(evidence.services[name].journal)
