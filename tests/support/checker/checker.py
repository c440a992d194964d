"""The one checker: every invariant over one `Evidence`, each anomaly counted and shown by one example. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.invariants import (
    acceptance,
    audit,
    commands,
    delivery,
    form,
    handover,
    holds,
    knowledge,
    outbox,
    submission,
    view,
    waivers,
)

Check = Callable[[Evidence], Iterator[str]]
"""Yields a sentence for each anomaly."""

CHECKS: Final[dict[str, tuple[str, Check]]] = {
    "S1": ("no wrong pass", acceptance.no_wrong_pass),
    "S2": ("one submission", submission.one_submission),
    "S3": ("no invented fact", view.no_invented_fact),
    "S4": ("atomic outbox", outbox.atomic_outbox),
    "S5": ("no lost event", delivery.no_lost_event),
    "S6": ("monotone view", view.monotone_view),
    "S8": ("convergence", view.convergence),
    "S11": ("missing is not pass", acceptance.missing_is_not_pass),
    "S12": ("one effect a command", commands.one_effect_a_command),
    "S13": ("no silent skip", delivery.no_silent_skip),
    "S17": ("form binding", form.form_binding),
    "S18": ("late fail visible", acceptance.late_fail_visible),
    "S20": ("hold owned", holds.hold_owned),
    "S21": ("audit complete", audit.audit_complete),
    "S22": ("unknown is unknown", commands.unknown_is_unknown),
    "S25": ("order kept", delivery.order_kept),
    "S26": ("hand-over owned", handover.handover_owned),
    "S27": ("form replaced once", handover.replaced_once),
    "S28": ("clear on evidence", knowledge.clear_on_evidence),
    "S30": ("waived with cause", waivers.waived_with_cause),
    "S31": ("shown by rules", view.shown_by_rules),
    "S32": ("no acceptance lost", submission.no_acceptance_lost),
    "L3": ("submission live", submission.submission_live),
    "L4": ("no leaked hold", holds.no_leaked_hold),
}
"""Invariant → its name and what looks for it."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One invariant that does not hold: how often, and one example."""

    invariant: str
    count: int
    example: str

    def __str__(self) -> str:
        name = CHECKS[self.invariant][0]
        return f"{self.invariant} {name}: {self.count} × {self.example}"


def check(evidence: Evidence) -> list[Anomaly]:
    """Every invariant that does not hold."""
    found = []
    for invariant, (_, look) in CHECKS.items():
        sentences = list(look(evidence))
        if sentences:
            found.append(Anomaly(invariant, len(sentences), sentences[0]))
    return found


def report(evidence: Evidence) -> str:
    """What was looked at and what was found, as text."""
    facts = sum(len(service.journal) for service in evidence.services.values())
    lines = [
        f"{len(evidence.operations)} operations, {facts} facts committed, {len(evidence.records)} records,"
        f" {len(evidence.clearance.attempts)} attempts, {len(evidence.clearance.submissions)} submissions"
    ]
    anomalies = check(evidence)
    lines += [str(anomaly) for anomaly in anomalies] or ["no anomaly"]
    return "\n".join(lines)
