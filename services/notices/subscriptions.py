"""The notice service's subscriptions: what turns into an occasion, and what was sent before a restore.

Statuses carry no signature and the rest does, so they are consumed apart.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from schemas.events import (
    CaseChanged,
    NoticeSent,
    ReminderAsked,
    StatusChanged,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
    Tombstone,
)
from schemas.flows import CLEARANCE, source_of
from schemas.topics import Topics
from services.kit.audit import log
from services.kit.messaging import outbox
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.handlers import Transaction, carries, event_decoder
from services.kit.postgres.pool import Connection
from services.kit.retention.erasing import erase
from services.kit.settings import SESSION_TIMEOUT_S
from services.kit.signing.records import Verify
from services.kit.signing.session_proofs import session_key_of
from services.notices.news.channels import Channel
from services.notices.news.occasions import of_end, of_turns
from services.notices.news.turns import known_states, turns
from services.notices.retention import TABLES
from services.notices.settings import NoticeSettings
from services.notices.tables import known, notices, occasions, reminders

SENT: Final = "notices.sent"
CASES: Final = "notices.cases"
STATUSES: Final = "notices.statuses"


@dataclass(frozen=True, slots=True)
class Reminding:
    """By the configured `channels`; a line again after `every_days`. `prove`: commands show their session."""

    channels: Collection[Channel] = ()
    every_days: float = 3.0
    prove: bool = False

    @classmethod
    def of(cls, settings: NoticeSettings) -> "Reminding":
        return cls(settings.channels, settings.remind_every_days, settings.require_session_proof)


def sent_router(
    topics: Topics, *, session_timeout_s: float = SESSION_TIMEOUT_S, verify: Verify | None = None
) -> TransactionalRouter:
    """The service's own topic."""
    router = TransactionalRouter(group=topics.group(SENT), session_timeout_s=session_timeout_s, verify=verify)
    events = router.subscriber(topics.sent)

    @events(filter=carries(NoticeSent))
    async def notice_sent(event: NoticeSent, connection: Transaction) -> None:
        await notices.learn_sent(connection, event)

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        await forget(connection, event, topics)

    return router


def cases_router(
    topics: Topics,
    *,
    session_timeout_s: float = SESSION_TIMEOUT_S,
    verify: Verify | None = None,
    reminding: Reminding = Reminding(),
) -> TransactionalRouter:
    """Cases, how submissions ended, and what staff remind of."""
    router = TransactionalRouter(
        group=topics.group(CASES), session_timeout_s=session_timeout_s, verify=verify, prove=reminding.prove
    )
    events = router.subscriber(topics.case, topics.submission, topics.command)

    @events(filter=carries(CaseChanged))
    async def case_changed(event: CaseChanged, connection: Transaction) -> None:
        await known.learn_case(connection, event)

    @events(filter=carries(SubmissionRequested))
    async def submission_requested(event: SubmissionRequested, connection: Transaction) -> None:
        await known.learn_waived(connection, event.student_id, event.waived)

    @events(filter=carries(SubmissionAccepted))
    async def submission_accepted(event: SubmissionAccepted, connection: Transaction) -> None:
        if event.accepted_at >= await known.beginning(connection):
            await occasions.note(connection, [of_end(event)], window_s=0.0)

    @events(filter=carries(SubmissionRefused))
    async def submission_refused(event: SubmissionRefused, connection: Transaction) -> None:
        if event.refused_at >= await known.beginning(connection):
            await occasions.note(connection, [of_end(event)], window_s=0.0)

    @events(filter=carries(ReminderAsked))
    async def reminder_asked(event: ReminderAsked, connection: Transaction) -> None:
        await remind(connection, event, reminding)

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        await forget(connection, event, topics)

    return router


def statuses_router(
    topics: Topics, departments: Iterable[str], *, window_s: float, session_timeout_s: float = SESSION_TIMEOUT_S
) -> TransactionalRouter:
    producers = {topics.status(name): name for name in departments}
    router = TransactionalRouter(group=topics.group(STATUSES), session_timeout_s=session_timeout_s)
    events = router.subscriber(*producers, decoder=event_decoder(producers))

    @events(filter=carries(StatusChanged))
    async def status_changed(event: StatusChanged, connection: Transaction) -> None:
        await learn_status(connection, event, window_s=window_s)

    @events(filter=carries(Tombstone))
    async def forgotten(event: Tombstone, connection: Transaction) -> None:
        # Its department begins anew, with a first version.
        await known.forget_lines(connection, event.student_id, producers[event.topic])
        await forget(connection, event, topics)

    return router


async def learn_status(connection: Connection, event: StatusChanged, *, window_s: float) -> None:
    """An older or equal version is a replay; a republished status turns no line."""
    version, states = await known.lines_of(connection, event)
    if event.version <= version:
        return
    case = await known.case_of(connection, event.student_id)
    turned = turns(states, event.checks, case.waived.get(event.department, ()))
    await known.learn_lines(connection, event, known_states(states, event.checks))
    if turned and event.occurred_at >= await known.beginning(connection):
        await occasions.note(connection, of_turns(event, turned, case.state), window_s=window_s)


async def remind(connection: Connection, event: ReminderAsked, reminding: Reminding) -> None:
    """Once for each press and student."""
    if event.asked_at < await known.beginning(connection):
        return
    outcome = await reminders.take(connection, event, reminding.channels, reminding.every_days)
    if outcome:
        await log.append_entry(
            connection,
            actor=event.asked_by,
            act="reminder.take",
            outcome=outcome,
            student_id=event.student_id,
            details={"command": event.command_id, "reminder": event.reminder_id, **session_key_of(event)},
        )


async def forget(connection: Connection, event: Tombstone, topics: Topics) -> None:
    """The case's tombstone decides. Those of other topics, which may be hours behind it, take what came about the
    student since, and nothing of one who has a case again."""
    late = event.topic != topics.case and (await known.case_of(connection, event.student_id)).state is not None
    erased = {} if late else await erase(connection, TABLES, [event.student_id])
    if event.topic == topics.submission:
        # Behind the student's last record of the service's own topic.
        await outbox.append_tombstone(connection, topic=topics.sent, key=event.student_id)
    if erased:
        await log.append_entry(
            connection,
            actor=source_of(CLEARANCE),
            act="student.forget",
            outcome="forgotten",
            student_id=event.student_id,
            details={"rows": erased},
        )
