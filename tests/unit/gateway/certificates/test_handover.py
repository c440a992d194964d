"""Certificates are handed over once, to a named person, and knowingly when something came up after the acceptance."""

from dataclasses import replace
from uuid import UUID

import pytest

from schemas.events import Reason, TakenBy
from services.gateway.certificates.handover import (
    Handover,
    Outcome,
    Undo,
    fingerprint,
    outcome,
    refusal,
    undo_outcome,
    undo_refusal,
)
from services.gateway.read_model.types import (
    CertificateIssue,
    FormVoid,
    IssueUndo,
    OpenException,
    PublishedSubmission,
    SubmissionRecord,
)
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW

COMMAND = UUID(int=7)
EXCEPTION = OpenException("finance 4", "finance", (Reason(code="arrears"),), NOW)
ROSTER_EXCEPTION = OpenException("roster 1", "roster", (Reason(code="taken-off"),), NOW)
SEEN, BOTH_SEEN = fingerprint((EXCEPTION,)), fingerprint((EXCEPTION, ROSTER_EXCEPTION))
NAMED = frozenset({"finance 4"})


def record(*exceptions: OpenException, issued_by_command: UUID | None = None) -> SubmissionRecord:
    submission = case_samples.completed().submission
    assert submission is not None
    issue = (CertificateIssue(NOW, "clerk-1", TakenBy.SELF, None, issued_by_command),) if issued_by_command else ()
    published = PublishedSubmission("TS23170042P31", submission.form_number, "7KQ4-M2XD", NOW, "a.b.c", {})
    return SubmissionRecord(published, submission, issue, exceptions)


@pytest.mark.parametrize(
    ("handover", "exceptions", "refused"),
    [
        (Handover(COMMAND, TakenBy.SELF), (), None),
        (Handover(COMMAND, TakenBy.PROXY, "司马䶮"), (), None),
        (Handover(COMMAND, TakenBy.PROXY), (), Outcome.PROXY_NAMELESS),
        (Handover(COMMAND, TakenBy.SELF), (EXCEPTION,), Outcome.NEW_EXCEPTION),
        (Handover(COMMAND, TakenBy.SELF, confirmed=NAMED, reason="asked"), (EXCEPTION,), Outcome.NEW_EXCEPTION),
        (Handover(COMMAND, TakenBy.SELF, exceptions_seen=SEEN), (EXCEPTION,), Outcome.UNCONFIRMED),
        (Handover(COMMAND, TakenBy.SELF, exceptions_seen=None), (EXCEPTION,), Outcome.UNCONFIRMED),
        (Handover(COMMAND, TakenBy.SELF, exceptions_seen=SEEN, confirmed=NAMED), (EXCEPTION,), Outcome.NO_REASON),
        (
            Handover(COMMAND, TakenBy.SELF, exceptions_seen=BOTH_SEEN, confirmed=NAMED, reason="asked"),
            (EXCEPTION, ROSTER_EXCEPTION),
            Outcome.UNCONFIRMED,
        ),
        (
            Handover(COMMAND, TakenBy.SELF, exceptions_seen=SEEN, confirmed=NAMED, reason="asked"),
            (EXCEPTION,),
            None,
        ),
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


def test_a_refusal_of_the_clearance_is_the_outcome() -> None:
    assert outcome(record(), COMMAND, "void") is Outcome.VOID
    assert outcome(record(), COMMAND, "unconfirmed") is Outcome.NEW_EXCEPTION
    assert outcome(record(), COMMAND, "a cause of a later release") is Outcome.ELSEWHERE


def test_nothing_is_handed_over_for_a_void_form() -> None:
    whole = record()
    void = replace(whole, submission=replace(whole.submission, void=FormVoid(NOW, "姓名有误")))
    assert refusal(Handover(COMMAND, TakenBy.SELF), void) is Outcome.VOID


def test_only_the_hand_over_that_stands_is_undone_and_with_a_reason() -> None:
    issued = record(issued_by_command=COMMAND)
    assert undo_refusal(Undo(UUID(int=9), COMMAND, ""), issued) is Outcome.NO_REASON
    assert undo_refusal(Undo(UUID(int=9), UUID(int=8), "booked by mistake"), issued) is Outcome.NOT_STANDING
    assert undo_refusal(Undo(UUID(int=9), COMMAND, "booked by mistake"), issued) is None
    assert undo_refusal(Undo(UUID(int=9), COMMAND, "booked by mistake"), record()) is Outcome.NOT_STANDING


def test_an_undone_hand_over_is_known_and_does_not_stand() -> None:
    whole = record(issued_by_command=COMMAND)
    undone = replace(whole, issues=(replace(whole.issues[0], undo=IssueUndo(NOW, "clerk-2", "mistake", UUID(int=9))),))
    assert undone.issue is None
    assert undo_outcome(undone, UUID(int=9)) is Outcome.UNDONE
    assert undo_outcome(whole, UUID(int=9)) is Outcome.PENDING
    assert undo_outcome(whole, UUID(int=9), "not-standing") is Outcome.NOT_STANDING
    assert outcome(undone, COMMAND) is Outcome.NOT_STANDING
    assert undo_refusal(Undo(UUID(int=9), COMMAND, "mistake"), undone) is None
    assert undo_refusal(Undo(UUID(int=10), COMMAND, "mistake"), undone) is Outcome.NOT_STANDING
