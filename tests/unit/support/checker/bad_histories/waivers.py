"""Checks that were skipped."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.support.checker.evidence.evidence import Evidence
from tests.support.checker.evidence.tables import Attempt, ExemptionRow
from tests.support.samples.histories import ATTEMPT, NOW, WHO, receipt
from tests.unit.support.checker.bad_histories.registry import breaks


def waived(evidence: Evidence, *exemptions: ExemptionRow, kind: str = "not-applicable") -> Evidence:
    """The finance office was not asked, and had objected."""
    form = evidence.clearance.submissions[0]
    facts = {"library": form.facts["library"]}
    clearance = replace(
        evidence.clearance,
        attempts={
            ATTEMPT: Attempt(
                WHO,
                "accepted",
                frozenset({"library"}),
                waived=(("finance", "arrears", kind),),
                opened_at=NOW,
                ended_at=NOW + timedelta(seconds=1),
            )
        },
        submissions=(replace(form, facts=facts, receipt=receipt(facts)),),
        exceptions=(),
        exemptions=exemptions,
    )
    return replace(evidence, clearance=clearance)


def exemption(**other: Any) -> ExemptionRow:
    day = timedelta(days=1)
    return replace(ExemptionRow(WHO, "finance", "arrears", NOW - day, NOW + day), **other)


@breaks("S30")
def a_waiver_without_an_exemption(evidence: Evidence) -> Evidence:
    return waived(evidence)


@breaks("S30")
def an_exemption_withdrawn_before_the_attempt(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(withdrawn_at=NOW - timedelta(seconds=1)))


@breaks("S30")
def an_exemption_withdrawn_while_the_attempt_was_open(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(withdrawn_at=NOW + timedelta(milliseconds=1)))


@breaks("S30")
def an_exemption_that_had_ended(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(ends_at=NOW))


@breaks("S30")
def an_exemption_made_after_the_attempt_opened(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(made_at=NOW + timedelta(milliseconds=1)))


@breaks("S30")
def an_exemption_made_again_after_the_attempt_opened(evidence: Evidence) -> Evidence:
    before, after = NOW - timedelta(milliseconds=1), NOW + timedelta(milliseconds=1)
    return waived(evidence, exemption(withdrawn_at=before), exemption(made_at=after))


@breaks("S30")
def an_exemption_made_again_after_the_acceptance(evidence: Evidence) -> Evidence:
    withdrawn_at, again_at = NOW + timedelta(milliseconds=1), NOW + timedelta(seconds=2)
    return waived(evidence, exemption(withdrawn_at=withdrawn_at), exemption(made_at=again_at))


@breaks("S30")
def an_exemption_of_another_check(evidence: Evidence) -> Evidence:
    return waived(evidence, exemption(check="deposit"))


@breaks("S30")
def a_rule_that_does_not_fit(evidence: Evidence) -> Evidence:
    return waived(evidence, kind="by-rule")


@breaks("S30")
def a_blocked_check_that_nothing_waived(evidence: Evidence) -> Evidence:
    form = evidence.clearance.submissions[0]
    (arrears,) = form.facts["finance"]["checks"]
    facts = {**form.facts, "finance": {**form.facts["finance"], "checks": [{**arrears, "verdict": "blocked"}]}}
    return replace(evidence, clearance=replace(evidence.clearance, submissions=(replace(form, facts=facts),)))
