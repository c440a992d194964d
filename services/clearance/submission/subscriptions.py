"""Consumer group of submissions."""

from collections.abc import Iterable, Sequence
from typing import Final

from schemas.events import (
    AttestationGiven,
    CertificateIssueAsked,
    CertificateIssueUndoAsked,
    SubmissionAccepted,
    SubmissionRefused,
    SubmitAsked,
    Tombstone,
)
from schemas.topics import Topics
from services.clearance.forgetting.forget import forget_straggler
from services.clearance.notify import notify
from services.clearance.submission.after_acceptance import certificate_issue
from services.clearance.submission.restoring.outcomes import Restoring
from services.clearance.submission.round.handlers import Submissions
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.event_sets import Received
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction, carries, event_decoder
from services.kit.postgres.pool import Connection
from services.kit.settings import SESSION_TIMEOUT_S
from services.kit.signing.records import Verify

SUBMISSIONS: Final = "clearance.submissions"
OUTCOMES: Final = "clearance.outcomes"
MAX_RECORDS: Final = 100
"""In a batch, whose session waits while forms are signed one after another: for 30 s at most."""


def outcomes_router(
    restoring: Restoring,
    topics: Topics,
    *,
    session_timeout_s: float = SESSION_TIMEOUT_S,
    verify: Verify | None = None,
) -> TransactionalRouter:
    """The clearance's own topic: what it published and its database may have lost."""
    router = TransactionalRouter(group=topics.group(OUTCOMES), session_timeout_s=session_timeout_s, verify=verify)
    events = router.subscriber(topics.submission)

    @events.together(SubmissionAccepted)
    async def submission_accepted(
        connection: Connection, ends: Sequence[Received[SubmissionAccepted]]
    ) -> list[DeadLetter]:
        return await restoring.ended(connection, ends)

    @events.together(SubmissionRefused)
    async def submission_refused(
        connection: Connection, ends: Sequence[Received[SubmissionRefused]]
    ) -> list[DeadLetter]:
        return await restoring.ended(connection, ends)

    return router


def submissions_router(
    submissions: Submissions,
    topics: Topics,
    departments: Iterable[str],
    *,
    session_timeout_s: float = SESSION_TIMEOUT_S,
    verify: Verify | None = None,
    prove: bool = False,
) -> TransactionalRouter:
    """An attestation counts only on its department's own topic. Handlers notify the student's page."""
    producers = {topics.attestation(name): name for name in departments}
    router = TransactionalRouter(
        group=topics.group(SUBMISSIONS), session_timeout_s=session_timeout_s, verify=verify, prove=prove
    )
    events = router.subscriber(topics.command, *producers, decoder=event_decoder(producers), max_records=MAX_RECORDS)

    @events.together(SubmitAsked)
    async def submit_asked(connection: Connection, asked: Sequence[Received[SubmitAsked]]) -> list[DeadLetter]:
        return await submissions.submit_asked(connection, asked)

    @events.together(AttestationGiven, several=True)
    async def attestation_given(
        connection: Connection, given: Sequence[Received[AttestationGiven]]
    ) -> list[DeadLetter]:
        return await submissions.attestations_given(connection, given)

    @events(filter=carries(CertificateIssueAsked))
    async def certificate_issue_asked(event: CertificateIssueAsked, connection: Transaction) -> None:
        await certificate_issue.certificate_issue_asked(connection, event)
        await notify(connection)

    @events(filter=carries(CertificateIssueUndoAsked))
    async def certificate_issue_undo_asked(event: CertificateIssueUndoAsked, connection: Transaction) -> None:
        await certificate_issue.certificate_issue_undo_asked(connection, event)
        await notify(connection)

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        await forget_straggler(connection, event.student_id)
        await notify(connection)

    return router
