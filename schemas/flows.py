"""Who sends which events on which topic, and who receives them.

The AsyncAPI document and the compatibility gate use this table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.events import Message
from schemas.topics import Topics

CLEARANCE: Final = "clearance"
GATEWAY: Final = "gateway"
NOTICES: Final = "notices"
SHARED: Final = (CLEARANCE, GATEWAY, NOTICES)
"""The services that are no department."""


def source_of(service: str) -> str:
    return f"/lixiao/{service}"


@dataclass(frozen=True, slots=True)
class Flow:
    """A topic's sender, and for each event the services that act on it."""

    topic: str
    about: str
    sender: str
    events: dict[type[Message], tuple[str, ...]]

    @property
    def receivers(self) -> tuple[str, ...]:
        return tuple(sorted({name for receivers in self.events.values() for name in receivers}))


def flows(topics: Topics, departments: Iterable[str]) -> tuple[Flow, ...]:
    names = tuple(sorted(departments))
    clearance = (CLEARANCE,)
    shared = (
        Flow(
            topics.case,
            "The state of each student's case. A tombstone (no value) forgets the student everywhere.",
            CLEARANCE,
            {events.CaseChanged: (*names, NOTICES)},
        ),
        Flow(
            topics.submission,
            "Confirmation rounds: requests for attestation, and how each attempt ended.",
            CLEARANCE,
            {
                events.SubmissionRequested: (*names, NOTICES),
                events.SubmissionAccepted: (*names, GATEWAY, CLEARANCE, NOTICES),
                events.SubmissionRefused: (*names, GATEWAY, CLEARANCE, NOTICES),
            },
        ),
        Flow(
            topics.republication,
            "Requests to departments to publish statuses again.",
            CLEARANCE,
            {events.RepublicationAsked: names},
        ),
        Flow(
            topics.command,
            "Commands of students and of staff: of the certificate desk, and reminders.",
            GATEWAY,
            {
                events.SubmitAsked: clearance,
                events.CommandAsked: names,
                events.CertificateIssueAsked: clearance,
                events.CertificateIssueUndoAsked: clearance,
                events.ReminderAsked: (NOTICES,),
            },
        ),
        Flow(
            topics.sent,
            "Which notices were sent: a notice service whose database was restored sends none of them again.",
            NOTICES,
            {events.NoticeSent: (NOTICES,)},
        ),
    )
    audits = tuple(_audit(topics, name) for name in (*SHARED, *names))
    return shared + tuple(flow for name in names for flow in _department(topics, name)) + audits


def _audit(topics: Topics, service: str) -> Flow:
    about = f"Newest seals of the audit of {service}, kept outside its database."
    return Flow(topics.audit(service), about, service, {events.AuditSealed: (service,)})


def _department(topics: Topics, name: str) -> tuple[Flow, ...]:
    clearance = (CLEARANCE,)
    return (
        Flow(
            topics.status(name),
            f"The newest status of each student from {name}, and alive marks. A tombstone forgets the student.",
            name,
            {events.StatusChanged: (CLEARANCE, NOTICES), events.SourceAlive: clearance},
        ),
        Flow(
            topics.attestation(name),
            f"Attestations of {name} in confirmation rounds.",
            name,
            {events.AttestationGiven: clearance},
        ),
        Flow(
            topics.answer(name),
            f"How {name} ended each command.",
            name,
            {events.CommandAnswered: (GATEWAY,)},
        ),
    )


def receivers_of(model: type[Message], topics: Topics, departments: Iterable[str]) -> tuple[str, ...]:
    found = (flow.events.get(model, ()) for flow in flows(topics, departments))
    return tuple(sorted({name for receivers in found for name in receivers}))
