"""A department's subscriptions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.events import (
    CaseChanged,
    CommandAsked,
    RepublicationAsked,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
    Tombstone,
)
from schemas.student_ids import is_canonical_student_id
from schemas.topics import Topics
from services.kit.department.changes.student_commands import StudentCommands
from services.kit.department.desk import Desk
from services.kit.department.forgetting import DepartmentForgetting
from services.kit.department.recovery import republication
from services.kit.department.rounds.attestation import Attestations
from services.kit.manifests import discover
from services.kit.messaging.dead_letters.actions import ReplayHandler
from services.kit.messaging.event_sets import Received
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction, carries
from services.kit.messaging.log_positions.offsets import Records
from services.kit.postgres.pool import Connection
from services.kit.settings import SESSION_TIMEOUT_S, Settings
from services.kit.signing.configured import verifier_of
from services.kit.signing.records import Verify


def router_of(desk: Desk[Any], settings: Settings) -> TransactionalRouter:
    """By the service's settings."""
    return department_router(
        desk,
        settings.topics,
        session_timeout_s=settings.session_timeout_s,
        verify=verifier_of(settings, discover(settings.services_folder)),
        prove=settings.require_session_proof,
    )


def replay_handlers(desk: Desk[Any], settings: Settings) -> dict[str, ReplayHandler]:
    """For dead letters."""
    router = router_of(desk, settings)
    return {router.group: ReplayHandler(router.subscription.apply)}


def department_router(
    desk: Desk[Any],
    topics: Topics,
    *,
    session_timeout_s: float = SESSION_TIMEOUT_S,
    verify: Verify | None = None,
    prove: bool = False,
) -> TransactionalRouter:
    attestations, commands = Attestations(desk, topics), StudentCommands(desk, topics)
    forgetting = DepartmentForgetting(desk.rules.name, topics)
    router = TransactionalRouter(
        group=topics.group(desk.rules.name), session_timeout_s=session_timeout_s, verify=verify, prove=prove
    )

    async def lock_students(connection: Connection, records: Records) -> None:
        # In the order of a topic, a batch could wait for an import that waits for it.
        keys = {(record.key or b"").decode("ascii", "replace") for record in records}
        await desk.lock_known(connection, filter(is_canonical_student_id, keys))

    events = router.subscriber(
        topics.case, topics.submission, topics.command, topics.republication, lock_first=lock_students
    )

    @events.together(CaseChanged)
    async def case_changed(connection: Connection, cases: Sequence[Received[CaseChanged]]) -> None:
        await desk.apply_cases(connection, cases, now=datetime.now(UTC))

    @events.together(SubmissionRequested)
    async def submission_requested(connection: Connection, asked: Sequence[Received[SubmissionRequested]]) -> None:
        await attestations.requested(connection, asked)

    @events.together(SubmissionAccepted)
    async def submission_accepted(connection: Connection, ends: Sequence[Received[SubmissionAccepted]]) -> None:
        await attestations.accepted(connection, ends)

    @events.together(SubmissionRefused)
    async def submission_refused(connection: Connection, ends: Sequence[Received[SubmissionRefused]]) -> None:
        await attestations.refused(connection, ends)

    @events(filter=carries(CommandAsked))
    async def command_asked(event: CommandAsked, connection: Transaction) -> None:
        await commands.handle(connection, event)

    @events(filter=carries(RepublicationAsked))
    async def republication_asked(event: RepublicationAsked, connection: Transaction) -> None:
        if event.department == desk.rules.name:
            await republication.republication_asked(connection, event)

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        await forgetting.obey(connection, event)

    return router
