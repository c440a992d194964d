"""Who sends which events on which topic, and who receives them: the one table of it.

The AsyncAPI document is written from it, and the compatibility gate reads from it whom a change would break.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas import events
from schemas.events import Message
from schemas.topics import Topics

CLEARANCE: Final = "clearance"
GATEWAY: Final = "gateway"


def source_of(service: str) -> str:
    """The CloudEvents `source` of a service's events."""
    return f"/lixiao/{service}"


@dataclass(frozen=True, slots=True)
class Flow:
    """One topic: its sender, and each event on it with the services that act on it."""

    topic: str
    about: str
    sender: str
    events: dict[type[Message], tuple[str, ...]]

    @property
    def receivers(self) -> tuple[str, ...]:
        return tuple(sorted({name for receivers in self.events.values() for name in receivers}))


def flows(topics: Topics, departments: Iterable[str]) -> tuple[Flow, ...]:
    """Every topic of an installation with these departments."""
    names = tuple(sorted(departments))
    clearance = (CLEARANCE,)
    shared = (
        Flow(topics.case, "Who is leaving.", CLEARANCE, {events.CaseChanged: names}),
        Flow(
            topics.submission,
            "The confirmation rounds: what is asked of the departments, and how each round ended.",
            CLEARANCE,
            {
                events.SubmissionRequested: names,
                events.SubmissionAccepted: (*names, GATEWAY),
                events.SubmissionRefused: (*names, GATEWAY),
            },
        ),
        Flow(
            topics.command,
            "What students and the certificate desk asked for.",
            GATEWAY,
            {events.SubmitAsked: clearance, events.CommandAsked: names, events.CertificateIssueAsked: clearance},
        ),
    )
    return shared + tuple(flow for name in names for flow in _department(topics, name))


def _department(topics: Topics, name: str) -> tuple[Flow, ...]:
    clearance = (CLEARANCE,)
    return (
        Flow(
            topics.status(name),
            f"The {name}'s newest word on each student, and its alive marks.",
            name,
            {events.StatusChanged: clearance, events.SourceAlive: clearance},
        ),
        Flow(
            topics.attestation(name),
            f"The {name}'s answers in confirmation rounds.",
            name,
            {events.AttestationGiven: clearance},
        ),
        Flow(
            topics.answer(name),
            f"How the {name} ended each command.",
            name,
            {events.CommandAnswered: (GATEWAY,)},
        ),
    )


def receivers_of(model: type[Message], topics: Topics, departments: Iterable[str]) -> tuple[str, ...]:
    """The services that read an event, in alphabetical order."""
    found = (flow.events.get(model, ()) for flow in flows(topics, departments))
    return tuple(sorted({name for receivers in found for name in receivers}))
