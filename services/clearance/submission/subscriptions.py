"""What the confirmation round subscribes to: students' commands and the departments' attestations."""

from collections.abc import Iterable

from schemas.events import AttestationGiven, CertificateIssueAsked, SubmitAsked
from schemas.topics import Topics
from services.clearance.notify import notify
from services.clearance.submission import certificate_issue
from services.clearance.submission.handlers import NAME, Submissions
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction, carries, event_decoder
from services.kit.settings import SESSION_TIMEOUT_S


def submissions_router(
    submissions: Submissions,
    topics: Topics,
    departments: Iterable[str],
    *,
    session_timeout_s: float = SESSION_TIMEOUT_S,
) -> TransactionalRouter:
    """The consumer group of the confirmation round. An attestation counts only on its department's own topic.

    Each handler notifies the view's listeners: the page shows who has answered. A transaction sends it once.
    """
    producers = {topics.attestation(name): name for name in departments}
    router = TransactionalRouter(group=topics.group(NAME), session_timeout_s=session_timeout_s)
    events = router.subscriber(topics.command, *producers, decoder=event_decoder(producers), workers=2)

    @events(filter=carries(SubmitAsked))
    async def submit_asked(event: SubmitAsked, connection: Transaction) -> None:
        await submissions.asked(connection, event)
        await notify(connection)

    @events(filter=carries(AttestationGiven))
    async def attestation_given(event: AttestationGiven, connection: Transaction) -> None:
        await submissions.attested(connection, event)
        await notify(connection)

    @events(filter=carries(CertificateIssueAsked))
    async def certificate_issue_asked(event: CertificateIssueAsked, connection: Transaction) -> None:
        await certificate_issue.certificate_issue_asked(connection, event)
        await notify(connection)

    return router
