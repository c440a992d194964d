"""Event handlers of the confirmation round."""

from collections.abc import Mapping, Set
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from schemas.attempts import AttemptState, RefusalCause
from schemas.codec import Unreadable
from schemas.events import AttestationGiven, EndOutcome, KnownEnd, SubmitAsked
from schemas.topics import Topics
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster import case_store
from services.clearance.roster.roster import Roster
from services.clearance.submission.attempts import attempt_store, attempt_waivers, former_parts, waiting_attestations
from services.clearance.submission.attempts.asked_attempts import asked_with_answers
from services.clearance.submission.attempts.attempt_store import Attempt
from services.clearance.submission.events import ended_event, publish
from services.clearance.submission.round.decision import Decision
from services.clearance.submission.round.ends import Ends
from services.clearance.submission.round.opening import Opening
from services.clearance.submission.round.settlement import contradiction, is_clear, objection_reasons
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey
from services.kit.runtime.failpoints import failpoint

LIFE_S: Final = 600.0
REPEAT_AFTER_S: Final = 10.0
"""By then every department has received an end that was said."""
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
        self._topic, self._required = topics.submission, required
        self._opening = Opening(required=required, waivers=waivers, life_s=life_s)
        self._ends = Ends(topic=topics.submission, roster=roster, keyring=keyring, zone=zone)
        self._decision = Decision(waivers, self._ends)

    async def submit_asked(self, connection: Connection, event: SubmitAsked) -> None:
        """A repeated command gets the same events again."""
        case = await case_store.lock(connection, event.student_id)
        attempt = await attempt_store.lock(connection, event.command_id)
        failpoint("submit.after_lock")
        if attempt is not None and attempt.student_id != event.student_id:
            raise Unreadable("command_id: it is another student's attempt")
        await publish(connection, self._topic, *await self._opening.open_or_recall(connection, event, case, attempt))
        await self._apply_waiting(connection, event.command_id)
        failpoint("submit.before_commit")

    async def _apply_waiting(self, connection: Connection, attempt_id: UUID) -> None:
        """What departments said before the attempt was opened here."""
        parts = await former_parts.parts_of(connection, attempt_id)
        for said in await waiting_attestations.take(connection, (attempt_id, *(part.attempt_id for part in parts))):
            try:
                await self.attestation_given(connection, said)
            except Unreadable as error:
                _log.error("attestation.dropped", department=said.department, reason=str(error))

    async def attestation_given(self, connection: Connection, event: AttestationGiven) -> None:
        # One that is not there yet may be opened, with its parts, before the lock is held.
        owner = await former_parts.owner(connection, event.attempt_id) or (event.attempt_id, event.student_id, True)
        whole_id, student_id, has_parts = owner
        case = await case_store.lock(connection, student_id)
        whole = await attempt_store.lock(connection, whole_id)
        attempt = whole if whole_id == event.attempt_id else await attempt_store.lock(connection, event.attempt_id)
        failpoint("settle.after_lock")
        if attempt is None or whole is None:
            await waiting_attestations.keep(connection, event)
            return
        waivers = await attempt_waivers.frozen(connection, event.attempt_id)
        self._validate(event, attempt, waivers.keys())
        if attempt.state is not AttemptState.OPEN:
            await self._repeat_end(connection, attempt, event)
            return
        if event.ended is not None:
            await self._end_as_known(connection, whole, event.ended)
            return
        if not await attempt_store.add_answer(connection, event):
            known = (await attempt_store.answers_of(connection, event.attempt_id))[event.department]
            if is_clear(known, waivers.keys()) and not is_clear(event, waivers.keys()):
                await self._revoked(connection, whole, event, waivers.keys())
                return
            if not await _prolong(connection, known, event):
                return
        failpoint("settle.after_answer")
        parts = await former_parts.parts_of(connection, whole_id) if has_parts else ()
        asked = [
            await asked_with_answers(connection, one, waivers if one.attempt_id == event.attempt_id else None)
            for one in (whole, *parts)
        ]
        await self._decision.settle(connection, case, asked)
        failpoint("settle.before_commit")

    async def _repeat_end(self, connection: Connection, attempt: Attempt, event: AttestationGiven) -> None:
        """A department that still asks has not received the end; one that knows another end is not believed."""
        accepted = attempt.state is AttemptState.ACCEPTED
        if event.ended is not None:
            if event.ended.outcome is not EndOutcome.LAPSED and accepted is not (
                event.ended.outcome is EndOutcome.ACCEPTED
            ):
                raise Unreadable("ended: the attempt has ended otherwise")
            return
        if not await attempt_store.ended_before(connection, attempt.attempt_id, REPEAT_AFTER_S):
            return
        end = await ended_event(connection, attempt)
        if end is not None:
            await publish(connection, self._topic, end)

    async def _revoked(
        self, connection: Connection, whole: Attempt, event: AttestationGiven, waived: Set[CheckKey]
    ) -> None:
        """A department whose database was restored has lost the hold that it answered with, and objects by now."""
        _log.warning("attestation.revoked", department=event.department, attempt=str(whole.attempt_id))
        objections = {event.department: objection_reasons(event, waived)}
        await self._ends.refuse(connection, whole, RefusalCause.OBJECTED, objections)

    async def _end_as_known(self, connection: Connection, whole: Attempt, ended: KnownEnd) -> None:
        """An end that this database lost, or that nobody may accept any more. Raises `Unreadable`."""
        if ended.outcome is EndOutcome.ACCEPTED:
            _log.critical("acceptance.not_restored", attempt=str(whole.attempt_id))
            raise Unreadable("ended: the attempt was accepted, and its acceptance is in no topic")
        cause = ended.cause or (RefusalCause.EXPIRED if ended.outcome is EndOutcome.LAPSED else RefusalCause.OBJECTED)
        await self._ends.refuse(connection, whole, cause)

    def _validate(self, event: AttestationGiven, attempt: Attempt, waived: Set[CheckKey]) -> None:
        """Raises `Unreadable`."""
        if attempt.student_id != event.student_id:
            raise Unreadable("attempt_id: it is another student's attempt")
        if event.department not in attempt.required:
            raise Unreadable("department: this attempt does not require it")
        wrong = contradiction(event, set(self._required.get(event.department, ())), waived)
        if wrong is not None and event.ended is None:
            raise Unreadable(wrong)

    async def expire(self, connection: Connection, attempt_id: UUID, student_id: str) -> bool:
        """False if it has ended otherwise."""
        await case_store.lock(connection, student_id)
        attempt = await attempt_store.lock(connection, attempt_id)
        failpoint("expire.after_lock")
        if attempt is None or attempt.state is not AttemptState.OPEN:
            return False
        if not await attempt_store.is_expired(connection, attempt_id):
            return False
        await self._ends.refuse(connection, attempt, RefusalCause.EXPIRED)
        failpoint("expire.before_commit")
        return True


async def _prolong(connection: Connection, known: AttestationGiven, event: AttestationGiven) -> bool:
    """Whether the `known` answer is given again, held for longer. Raises `Unreadable` if it is another one."""
    if event != known.model_copy(update={"held_until": event.held_until}):
        raise Unreadable("attempt_id: the department gave this attempt another answer before")
    if known.held_until is None or event.held_until is None or event.held_until <= known.held_until:
        return False
    await attempt_store.prolong_hold(connection, event)
    return True
