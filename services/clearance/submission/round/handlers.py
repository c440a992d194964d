"""Event handlers of the confirmation round.

A set of events takes a fixed number of statements: what it is about is locked and read, heard in memory one event after
another, and written. A statement costs more than a decision.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from schemas.attempts import AttemptState, RefusalCause
from schemas.codec import Unreadable
from schemas.events import AttestationGiven, SubmitAsked
from schemas.topics import Topics
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster import case_store
from services.clearance.roster.roster import Roster
from services.clearance.submission.attempts import answers, waiting_attestations
from services.clearance.submission.attempts.rounds import Round, lock_attempts, lock_rounds
from services.clearance.submission.events import Outgoing, ended_event
from services.clearance.submission.round.decision import standing_of
from services.clearance.submission.round.ends import Ends, end
from services.clearance.submission.round.hearing import Hearing, may_be_accepted
from services.clearance.submission.round.opening import Opening
from services.clearance.submission.round.settlement import Outcome, Settlement
from services.kit.messaging.dead_letters.store import DeadLetter
from services.kit.messaging.event_sets import Received, refused
from services.kit.postgres.pool import Connection
from services.kit.runtime.failpoints import failpoint

LIFE_S: Final = 600.0
_log = structlog.get_logger(__name__)


class Submissions:
    """In the transaction open on `connection`. `required`: department → the checks it attests."""

    def __init__(
        self,
        *,
        topics: Topics,
        required: Mapping[str, tuple[str, ...]],
        roster: Roster,
        waivers: CaseWaivers,
        keyring: Keyring,
        zone: ZoneInfo,
        life_s: float = LIFE_S,
    ) -> None:
        self._topic, self._required, self._waivers = topics.submission, required, waivers
        self._opening = Opening(topic=topics.submission, required=required, waivers=waivers, life_s=life_s)
        self._ends = Ends(topic=topics.submission, roster=roster, keyring=keyring, zone=zone)

    async def submit_asked(self, connection: Connection, commands: Sequence[Received[SubmitAsked]]) -> list[DeadLetter]:
        """Each of another student. A repeated command gets the same events again. Returns the refused ones."""
        cases = await case_store.lock_each(connection, [one.event.student_id for one in commands])
        locked = await lock_attempts(connection, [one.event.command_id for one in commands], cases)
        failpoint("submit.after_lock")
        readable: list[Received[SubmitAsked]] = []
        dead_letters: list[DeadLetter] = []
        taken: dict[UUID, str] = {}
        for one in commands:
            known = locked.by_attempt.get(one.event.command_id)
            owner = known.of(one.event.command_id).attempt.student_id if known else one.event.student_id
            if taken.setdefault(one.event.command_id, owner) != one.event.student_id:
                unreadable = Unreadable("command_id: it is another student's attempt")
                dead_letters.append(refused(one, unreadable))
            else:
                readable.append(one)
        outgoing = Outgoing()
        opened = await self._opening.open_or_recall(connection, readable, cases, locked.by_attempt, outgoing)
        await self._hear_waiting(connection, readable, opened, outgoing)
        await outgoing.write(connection)
        failpoint("submit.before_commit")
        return dead_letters

    async def _hear_waiting(
        self,
        connection: Connection,
        commands: Sequence[Received[SubmitAsked]],
        opened: Mapping[UUID, Round],
        outgoing: Outgoing,
    ) -> None:
        """What departments said before the attempts were opened here."""
        spans = {one.event.command_id: one.span for one in commands}
        spans |= {part.attempt.attempt_id: spans[command] for command, each in opened.items() for part in each.parts}
        said = await waiting_attestations.take(connection, spans)
        waiting = [Received(event, spans[event.attempt_id]) for event in said]
        for one, error in await self._hear(connection, waiting, outgoing) if waiting else ():
            _log.error("attestation.dropped", department=one.event.department, reason=str(error))

    async def attestations_given(
        self, connection: Connection, given: Sequence[Received[AttestationGiven]]
    ) -> list[DeadLetter]:
        """Several may be of one student, in their order. Returns the refused ones."""
        outgoing = Outgoing()
        unreadable = await self._hear(connection, given, outgoing)
        await outgoing.write(connection)
        failpoint("settle.before_commit")
        return [refused(one, error) for one, error in unreadable]

    async def _hear(
        self, connection: Connection, given: Sequence[Received[AttestationGiven]], outgoing: Outgoing
    ) -> list[tuple[Received[AttestationGiven], Unreadable]]:
        """Returns the unreadable ones."""
        events = {(one.event.attempt_id, one.event.department) for one in given}
        locked = await lock_rounds(connection, [(one.event.attempt_id, one.event.student_id) for one in given])
        failpoint("settle.after_lock")
        rounds = {one.whole.attempt.attempt_id: one for one in locked.by_attempt.values()}.values()
        complete = [
            one for one in rounds if one.whole.attempt.state is AttemptState.OPEN and may_be_accepted(one, events)
        ]
        standing = await standing_of(connection, self._waivers, complete)
        hearing = Hearing(locked.by_attempt, self._required, standing, locked.now)
        unreadable = []
        for one in given:
            try:
                with one.traced():
                    hearing.hear(one)
            except Unreadable as error:
                unreadable.append((one, error))
        await self._write(connection, hearing, outgoing)
        return unreadable

    async def _write(self, connection: Connection, hearing: Hearing, outgoing: Outgoing) -> None:
        for event in hearing.early:
            await waiting_attestations.keep(connection, event)
        await answers.add_answers(connection, hearing.answers)
        await answers.prolong_holds(connection, hearing.prolonged)
        if hearing.answers:
            failpoint("settle.after_answer")
        await self._ends.write(connection, hearing.ends, outgoing, hearing.now)
        for attempt, one in hearing.unheard:
            with one.traced():
                ended = await ended_event(connection, attempt)
                outgoing.publish(self._topic, *([ended] if ended else ()))

    async def expire(self, connection: Connection, attempt_id: UUID, student_id: str) -> bool:
        """False if it has ended otherwise."""
        locked = await lock_rounds(connection, [(attempt_id, student_id)])
        failpoint("expire.after_lock")
        one = locked.by_attempt.get(attempt_id)
        if one is None or not one.open:
            return False
        if one.whole.attempt.expires_at > locked.now:
            return False
        outgoing = Outgoing()
        ended = end(one, Settlement(Outcome.REFUSED, one.known_cause or RefusalCause.EXPIRED), locked.now)
        await self._ends.write(connection, [ended], outgoing, locked.now)
        await outgoing.write(connection)
        failpoint("expire.before_commit")
        return True
