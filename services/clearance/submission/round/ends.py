"""Ends attempts: an acceptance with its signed form, or a refusal; parts end with their attempt."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from schemas.attempts import AttemptState, RefusalCause
from schemas.events import CaseState
from services.clearance.receipts.private_keys.in_thread import in_thread
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.roster import cases
from services.clearance.roster.case_store import SOURCE
from services.clearance.roster.cases import Case
from services.clearance.roster.roster import Roster
from services.clearance.submission import submission_store
from services.clearance.submission.after_acceptance import exceptions
from services.clearance.submission.attempts import attempt_store, former_parts
from services.clearance.submission.attempts.asked_attempts import Asked
from services.clearance.submission.attempts.attempt_store import Attempt
from services.clearance.submission.events import of_part, publish
from services.clearance.submission.round.acceptance import signed_submission
from services.kit.audit import log
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection
from services.kit.runtime.failpoints import failpoint


class Ends:
    """In the transaction open on `connection`, under the lock of the attempt's case. `topic`: of submissions."""

    def __init__(self, *, topic: str, roster: Roster, keyring: Keyring, zone: ZoneInfo) -> None:
        self._topic, self._roster, self._keyring, self._zone = topic, roster, keyring, zone
        _measure_from_zero()

    async def accept(self, connection: Connection, case: Case, asked: Sequence[Asked]) -> None:
        (whole, *parts), attempt = asked, asked[0].attempt
        required, waivers = whole.required, whole.waivers
        ended = await attempt_store.end(connection, attempt.attempt_id, AttemptState.ACCEPTED)
        assert ended.ended_at is not None
        signer = await self._keyring.signer(connection)
        position = await submission_store.next_position(connection, attempt.student_id, attempt.case_number)
        submission = await in_thread(
            signed_submission,
            signer,
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
        of_parts = [of_part(accepted, part.attempt) for part in parts]
        await publish(connection, self._topic, accepted, *of_parts)
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

    async def refuse(
        self,
        connection: Connection,
        attempt: Attempt,
        cause: str,
        objections: Mapping[str, Any] | None = None,
    ) -> None:
        state = attempt_store.refused_state(cause)
        ended = await attempt_store.end(connection, attempt.attempt_id, state, cause=cause, objections=objections)
        await publish(connection, self._topic, ended.refused_event())
        for part in await former_parts.parts_of(connection, attempt.attempt_id):
            ended_part = await attempt_store.end(connection, part.attempt_id, state, cause=cause)
            await publish(connection, self._topic, ended_part.refused_event())
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


def _measure_from_zero() -> None:
    metrics.ATTEMPTS.add(0, {"outcome": AttemptState.ACCEPTED, "cause": "accepted"})
    for cause in RefusalCause:
        metrics.ATTEMPTS.add(0, {"outcome": attempt_store.refused_state(cause), "cause": cause})


def _measure(ended: Attempt, cause: str) -> None:
    assert ended.ended_at is not None
    metrics.ATTEMPTS.add(1, {"outcome": ended.state, "cause": cause})
    metrics.ATTEMPT_DURATION.record((ended.ended_at - ended.opened_at).total_seconds(), {"outcome": ended.state})
