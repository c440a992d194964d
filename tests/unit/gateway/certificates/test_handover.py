"""Certificates are handed over once, to a named person, and knowingly when something came up after the acceptance."""

from uuid import UUID

import pytest

from schemas.events import Reason, TakenBy
from services.gateway.certificates.handover import Handover, Outcome, fingerprint, outcome, refusal
from services.gateway.read_model.types import CertificateIssue, OpenException, PublishedSubmission, SubmissionRecord
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW

COMMAND = UUID(int=7)
EXCEPTION = OpenException("finance", 4, (Reason(code="arrears"),), NOW)
SEEN = fingerprint((EXCEPTION,))


def record(*exceptions: OpenException, issued_by_command: UUID | None = None) -> SubmissionRecord:
    submission = case_samples.completed().submission
    assert submission is not None
    issue = CertificateIssue(NOW, "clerk-1", TakenBy.SELF, None, issued_by_command) if issued_by_command else None
    published = PublishedSubmission("TS23170042P31", submission.form_number, "7KQ4-M2XD", NOW, "a.b.c", {})
    return SubmissionRecord(published, submission, issue, exceptions)


@pytest.mark.parametrize(
    ("handover", "exceptions", "refused"),
    [
        (Handover(COMMAND, TakenBy.SELF), (), None),
        (Handover(COMMAND, TakenBy.PROXY, "司马䶮"), (), None),
        (Handover(COMMAND, TakenBy.PROXY), (), Outcome.PROXY_NAMELESS),
        (Handover(COMMAND, TakenBy.SELF), (EXCEPTION,), Outcome.NEW_EXCEPTION),
        (Handover(COMMAND, TakenBy.SELF, confirmed=True), (EXCEPTION,), Outcome.NEW_EXCEPTION),
        (Handover(COMMAND, TakenBy.SELF, exceptions_seen=SEEN), (EXCEPTION,), Outcome.UNCONFIRMED),
        (Handover(COMMAND, TakenBy.SELF, exceptions_seen=SEEN, confirmed=True), (EXCEPTION,), None),
    ],
)
def test_a_handover_is_refused_before_it_is_asked(
    handover: Handover, exceptions: tuple[OpenException, ...], refused: Outcome | None
) -> None:
    assert refusal(handover, record(*exceptions)) is refused


def test_what_was_handed_over_is_not_refused_but_told_as_it_was() -> None:
    issued = record(EXCEPTION, issued_by_command=COMMAND)
    assert refusal(Handover(COMMAND, TakenBy.PROXY), issued) is None
    assert outcome(issued, COMMAND) is Outcome.ISSUED
    assert outcome(issued, UUID(int=8)) is Outcome.ELSEWHERE


def test_a_handover_nothing_is_recorded_of_is_pending() -> None:
    assert outcome(record(), COMMAND) is Outcome.PENDING
