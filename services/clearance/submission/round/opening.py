"""Opens an attempt with the waivers of now, or refuses it at once; a repeated command finds its attempt again."""

from collections.abc import Mapping

from schemas.attempts import AttemptState, RefusalCause
from schemas.events import SubmissionRequested, SubmitAsked
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.roster import case_store
from services.clearance.roster.cases import Case
from services.clearance.submission import submission_store
from services.clearance.submission.attempts import attempt_store, attempt_waivers, former_parts
from services.clearance.submission.attempts.attempt_store import Attempt
from services.clearance.submission.events import SubmissionEvent
from services.kit.audit import log
from services.kit.names import STUDENT
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import departments_to_ask
from services.kit.runtime.failpoints import failpoint
from services.kit.signing.session_proofs import session_key_of


class Opening:
    """In the transaction open on `connection`, under the case's lock. `required`: department → checks it attests."""

    def __init__(self, *, required: Mapping[str, tuple[str, ...]], waivers: CaseWaivers, life_s: float) -> None:
        self._required, self._waivers, self._life_s = required, waivers, life_s

    async def open_or_recall(
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
        if not submitted and case is not None and case.may_be_submitted:
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


async def _requested(connection: Connection, attempt: Attempt) -> SubmissionRequested:
    waivers = await attempt_waivers.frozen(connection, attempt.attempt_id)
    case = await case_store.find(connection, attempt.student_id)
    cohort = case.student.cohort if case else None
    return attempt.requested_event(attempt_waivers.waived_by_department(waivers.values()), cohort)


async def _audit_submit(connection: Connection, attempt: Attempt | None, event: SubmitAsked, outcome: str) -> None:
    await log.append_entry(
        connection,
        actor=STUDENT,
        act="submission.ask",
        outcome=outcome,
        student_id=event.student_id,
        details={
            "attempt": event.command_id,
            "required": sorted(attempt.required) if attempt else [],
            **session_key_of(event),
        },
    )
