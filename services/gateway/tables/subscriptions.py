"""The gateway's subscriptions: how its students' commands ended."""

from collections.abc import Iterable, Sequence

from schemas.events import CommandAnswered, SubmissionAccepted, SubmissionRefused, Tombstone
from schemas.flows import GATEWAY
from schemas.topics import Topics
from services.gateway.tables import forgetting
from services.gateway.tables.commands import end, end_together
from services.kit.messaging.event_sets import Received
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction, carries
from services.kit.postgres.pool import Connection
from services.kit.settings import SESSION_TIMEOUT_S
from services.kit.signing.records import Verify


def gateway_router(
    topics: Topics,
    departments: Iterable[str],
    *,
    session_timeout_s: float = SESSION_TIMEOUT_S,
    verify: Verify | None = None,
) -> TransactionalRouter:
    """The consumer group. An ended command stays as it ended."""
    router = TransactionalRouter(group=topics.group(GATEWAY), session_timeout_s=session_timeout_s, verify=verify)
    events = router.subscriber(topics.submission, *(topics.answer(name) for name in departments))

    @events(filter=carries(CommandAnswered))
    async def command_answered(event: CommandAnswered, connection: Transaction) -> None:
        await end(connection, event)

    @events.together(SubmissionAccepted)
    async def submission_accepted(connection: Connection, ends: Sequence[Received[SubmissionAccepted]]) -> None:
        await end_together(connection, ends)

    @events.together(SubmissionRefused)
    async def submission_refused(connection: Connection, ends: Sequence[Received[SubmissionRefused]]) -> None:
        await end_together(connection, ends)

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        await forgetting.obey(connection, event, topics)

    return router
