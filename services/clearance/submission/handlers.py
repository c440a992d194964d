"""Event handlers of the confirmation round."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from schemas.attempts import AttemptState, RefusalCause
from schemas.codec import Unreadable
from schemas.events import (
    AttestationGiven,
    CaseState,
    EndOutcome,
    KnownEnd,
    SubmissionAccepted,
    SubmissionRefused,
    SubmissionRequested,
    SubmitAsked,
)
from schemas.topics import Topics
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster import case_store, cases
from services.clearance.roster.case_store import SOURCE, Roster
from services.clearance.roster.cases import Case
from services.clearance.submission import (
    attempt_store,
    attempt_waivers,
    exceptions,
    former_parts,
    submission_store,
    waiting_attestations,
)
from services.clearance.submission.acceptance import signed_submission
from services.clearance.submission.attempt_store import Attempt
from services.clearance.submission.settlement import Outcome, combined, contradiction, in_time, settle
from services.kit.audit import log
from services.kit.messaging import outbox
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver, departments_to_ask
from services.kit.runtime.failpoints import failpoint

LIFE_S: Final = 600.0
REPEAT_AFTER_S: Final = 10.0
"""By then every department has received an end that was said."""
_log = structlog.get_logger(__name__)
SubmissionEvent = SubmissionRequested | SubmissionAccepted | SubmissionRefused


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
        self._topic = topics.submission
        self._required = required
        self._roster = roster
        self._waivers = waivers
        self._keyring = keyring
        self._zone = zone
        self._life_s = life_s

    async def submit_asked(self, connection: Connection, event: SubmitAsked) -> None:
        """A repeated command gets the same events again."""
        case = await case_store.lock(connection, event.student_id)
        attempt = await attempt_store.lock(connection, event.command_id)
        failpoint("submit.after_lock")
        if attempt is not None and attempt.student_id != event.student_id:
            raise Unreadable("command_id: it is another student's attempt")
        await self._publish(connection, *await self._open_or_recall(connection, event, case, attempt))
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

    async def _open_or_recall(
        self, connection: Connection, event: SubmitAsked, case: Case | None, attempt: Attempt | None
    ) -> list[SubmissionEvent]:
        if attempt is not None and attempt.state is AttemptState.ACCEPTED:
            accepted = await submission_store.accepted_event(connection, attempt.attempt_id)
            return [accepted] if accepted else []
        number = case.case_number if case else 1
        standing = await submission_store.standing_event(connection, event.student_id, number)
        if attempt is None:
            attempt = await self._open(connection, event, case, submitted=standing is not None)
        events: list[SubmissionEvent] = [standing] if standing else []
        if attempt.state is AttemptState.OPEN:
            asked = (attempt, *await former_parts.parts_of(connection, attempt.attempt_id))
            return [*events, *[await _requested(connection, one) for one in asked]]
        return [*events, attempt.refused_event()]

    async def _open(self, connection: Connection, event: SubmitAsked, case: Case | None, *, submitted: bool) -> Attempt:
        """An open attempt, or one that is refused at once."""
        cause = RefusalCause.ALREADY_SUBMITTED if submitted else RefusalCause.CASE_NOT_OPEN
        if not submitted and case is not None and case.state is CaseState.OPEN and case.joined_to is None:
            attempt = await self._open_with_waivers(connection, event, case)
            failpoint("submit.after_open")
            if attempt is not None:
                await _audit_submit(connection, attempt, event, "opened")
                return attempt
            cause = RefusalCause.ANOTHER_OPEN
        await _audit_submit(connection, None, event, cause)
        return await attempt_store.add_refused(
            connection, event.command_id, event.student_id, cause, case_number=case.case_number if case else 1
        )

    async def _open_with_waivers(self, connection: Connection, event: SubmitAsked, case: Case) -> Attempt | None:
        """With the waivers of now, which stay the attempt's."""
        former = await case_store.former_cases(connection, event.student_id)
        if await former_parts.any_open(connection, [one.student.student_id for one in former]):
            return None
        waivers = await self._waivers.of(connection, case)
        required = departments_to_ask(self._required, waivers)
        attempt = await attempt_store.open_attempt(
            connection,
            event.command_id,
            event.student_id,
            required,
            case_number=case.case_number,
            life_s=self._life_s,
        )
        if attempt is not None:
            await attempt_waivers.freeze(connection, attempt.attempt_id, waivers.values())
            for ordinal, one in enumerate(former, start=1):
                waivers = await self._waivers.of(connection, one)
                required = departments_to_ask(self._required, waivers)
                part = await former_parts.open_part(connection, attempt, one, required, ordinal=ordinal)
                await attempt_waivers.freeze(connection, part.attempt_id, waivers.values())
        return attempt

    async def attestation_given(self, connection: Connection, event: AttestationGiven) -> None:
        owner = await former_parts.owner(connection, event.attempt_id) or (event.attempt_id, event.student_id)
        case = await case_store.lock(connection, owner[1])
        whole = await attempt_store.lock(connection, owner[0])
        attempt = whole if owner[0] == event.attempt_id else await attempt_store.lock(connection, event.attempt_id)
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
            if (await attempt_store.answers_of(connection, event.attempt_id))[event.department] != event:
                raise Unreadable("attempt_id: the department gave this attempt another answer before")
            return
        failpoint("settle.after_answer")
        asked = [await _asked(connection, one) for one in (whole, *await former_parts.parts_of(connection, owner[0]))]
        await self._settle(connection, case, asked)
        failpoint("settle.before_commit")

    async def _settle(self, connection: Connection, case: Case | None, asked: Sequence["_Asked"]) -> None:
        """`asked`: the attempt, then its parts."""
        whole, former = asked[0].attempt, await case_store.former_cases(connection, asked[0].attempt.student_id)
        case_open = case is not None and case.state is CaseState.OPEN and case.joined_to is None
        case_open = case_open and case is not None and case.case_number == whole.case_number
        settlement = combined(
            [settle(one.attempt.required, one.answers, case_open=case_open, waived=one.waivers.keys()) for one in asked]
        )
        if settlement.outcome is Outcome.ACCEPTED:
            settlement = in_time(settlement, expired=await attempt_store.is_expired(connection, whole.attempt_id))
        numbers = [one.student.student_id for one in former]
        if settlement.outcome is Outcome.ACCEPTED:
            assert case is not None
            cause = None
            if numbers != [one.attempt.student_id for one in asked[1:]]:
                cause = RefusalCause.NUMBERS_CHANGED
            elif not await self._still_waived(connection, (case, *former), asked):
                cause = RefusalCause.WAIVER_ENDED
            if cause is None:
                await self._accept(connection, case, asked)
            else:
                await self._refuse(connection, whole, AttemptState.REFUSED, cause)
        elif settlement.outcome is Outcome.REFUSED:
            assert settlement.cause is not None
            state = AttemptState.EXPIRED if settlement.cause is RefusalCause.EXPIRED else AttemptState.REFUSED
            await self._refuse(connection, whole, state, settlement.cause, objections=settlement.objections)

    async def _still_waived(self, connection: Connection, of: Sequence[Case], asked: Sequence["_Asked"]) -> bool:
        for case, one in zip(of, asked, strict=True):
            if one.waivers and not one.waivers.keys() <= (await self._waivers.of(connection, case)).keys():
                return False
        return True

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
        if not accepted:
            await self._publish(connection, attempt.refused_event())
            return
        said = await submission_store.accepted_event(connection, attempt.parent_id or attempt.attempt_id)
        if said is not None:
            of = {"attempt_id": attempt.attempt_id, "student_id": attempt.student_id}
            await self._publish(connection, said.model_copy(update=of))

    async def _end_as_known(self, connection: Connection, whole: Attempt, ended: KnownEnd) -> None:
        """An end that this database lost, or that nobody may accept any more. Raises `Unreadable`."""
        if ended.outcome is EndOutcome.ACCEPTED:
            _log.critical("acceptance.not_restored", attempt=str(whole.attempt_id))
            raise Unreadable("ended: the attempt was accepted, and its acceptance is in no topic")
        cause = ended.cause or (RefusalCause.EXPIRED if ended.outcome is EndOutcome.LAPSED else RefusalCause.OBJECTED)
        state = AttemptState.EXPIRED if cause == RefusalCause.EXPIRED else AttemptState.REFUSED
        await self._refuse(connection, whole, state, cause)

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
        await self._refuse(connection, attempt, AttemptState.EXPIRED, RefusalCause.EXPIRED)
        failpoint("expire.before_commit")
        return True

    async def _accept(self, connection: Connection, case: Case, asked: Sequence["_Asked"]) -> None:
        (whole, *parts), attempt = asked, asked[0].attempt
        required, waivers = whole.required, whole.waivers
        ended = await attempt_store.end(connection, attempt.attempt_id, AttemptState.ACCEPTED)
        assert ended.ended_at is not None
        key = await self._keyring.signer(connection)
        position = await submission_store.next_position(connection, attempt.student_id, attempt.case_number)
        submission = signed_submission(
            key,
            case.student,
            position,
            attempt.attempt_id,
            required,
            waivers.values(),
            ended.ended_at,
            self._zone,
            former={part.attempt.student_id: part.required for part in parts},
        )
        failpoint("settle.before_insert")
        await submission_store.add(connection, submission)
        failpoint("settle.after_insert")
        completed = cases.with_state(case, CaseState.COMPLETED)
        await self._roster.store(connection, case, completed, now=ended.ended_at)
        for part in parts:
            await attempt_store.end(connection, part.attempt.attempt_id, AttemptState.ACCEPTED)
        await exceptions.update_accepted(connection, attempt.attempt_id)
        accepted = submission_store.with_form(
            submission, attempt.opened_at, attempt.expires_at, tuple(waivers.values())
        )
        of_parts = [
            accepted.model_copy(update={"attempt_id": part.attempt.attempt_id, "student_id": part.attempt.student_id})
            for part in parts
        ]
        await self._publish(connection, accepted, *of_parts)
        for part in parts:
            await _audit_part(connection, part.attempt, "submission.accept", "accepted")
        await log.append_entry(
            connection,
            actor=SOURCE,
            act="submission.accept",
            outcome="accepted",
            student_id=attempt.student_id,
            details={
                "attempt": attempt.attempt_id,
                "form": submission.form_number,
                "replaces": position.replaces,
                "versions": {name: answer.version for name, answer in required.items()},
                "waived": [f"{waiver.department}.{waiver.check} {waiver.kind}" for waiver in waivers.values()],
            },
        )
        _measure(ended, "accepted")

    async def _refuse(
        self,
        connection: Connection,
        attempt: Attempt,
        state: AttemptState,
        cause: str,
        objections: Mapping[str, Any] | None = None,
    ) -> None:
        ended = await attempt_store.end(connection, attempt.attempt_id, state, cause=cause, objections=objections)
        await self._publish(connection, ended.refused_event())
        for part in await former_parts.parts_of(connection, attempt.attempt_id):
            ended_part = await attempt_store.end(connection, part.attempt_id, state, cause=cause)
            await self._publish(connection, ended_part.refused_event())
            await _audit_part(connection, part, "submission.refuse", state)
        await log.append_entry(
            connection,
            actor=SOURCE,
            act="submission.refuse",
            outcome=state,
            student_id=attempt.student_id,
            details={"attempt": attempt.attempt_id, "cause": cause, "objections": sorted(objections or ())},
        )
        _measure(ended, cause)

    async def _publish(self, connection: Connection, *events: SubmissionEvent) -> None:
        for event in events:
            now = datetime.now(UTC)
            await outbox.append(
                connection, topic=self._topic, key=event.student_id, event=event, source=SOURCE, now=now
            )


@dataclass(frozen=True, slots=True)
class _Asked:
    """An attempt or a part, with what it may leave out and what was answered."""

    attempt: Attempt
    waivers: Mapping[CheckKey, Waiver]
    answers: Mapping[str, AttestationGiven]

    @property
    def required(self) -> dict[str, AttestationGiven]:
        """When all have answered."""
        return {name: self.answers[name] for name in sorted(self.attempt.required)}


async def _asked(connection: Connection, attempt: Attempt) -> _Asked:
    waivers = await attempt_waivers.frozen(connection, attempt.attempt_id)
    return _Asked(attempt, waivers, await attempt_store.answers_of(connection, attempt.attempt_id))


async def _requested(connection: Connection, attempt: Attempt) -> SubmissionRequested:
    waivers = await attempt_waivers.frozen(connection, attempt.attempt_id)
    case = await case_store.find(connection, attempt.student_id)
    cohort = case.student.cohort if case else None
    return attempt.requested_event(attempt_waivers.waived_by_department(waivers.values()), cohort)


async def _audit_part(connection: Connection, part: Attempt, act: str, outcome: str) -> None:
    """Under the former number."""
    await log.append_entry(
        connection,
        actor=SOURCE,
        act=act,
        outcome=outcome,
        student_id=part.student_id,
        details={"attempt": part.attempt_id, "part_of": part.parent_id},
    )


async def _audit_submit(connection: Connection, attempt: Attempt | None, event: SubmitAsked, outcome: str) -> None:
    await log.append_entry(
        connection,
        actor=log.STUDENT,
        act="submission.ask",
        outcome=outcome,
        student_id=event.student_id,
        details={"attempt": event.command_id, "required": sorted(attempt.required) if attempt else []},
    )


def _measure(ended: Attempt, cause: str) -> None:
    assert ended.ended_at is not None
    metrics.ATTEMPTS.add(1, {"outcome": ended.state, "cause": cause})
    metrics.ATTEMPT_DURATION.record((ended.ended_at - ended.opened_at).total_seconds(), {"outcome": ended.state})
