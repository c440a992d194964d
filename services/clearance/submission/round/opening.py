"""Opens attempts with the waivers of now, or refuses them at once; a repeated command finds its attempt again."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from schemas.attempts import AttemptState, RefusalCause
from schemas.events import SubmissionAccepted, SubmissionRequested, SubmitAsked
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.roster import case_store
from services.clearance.roster.cases import Case
from services.clearance.submission import submission_store
from services.clearance.submission.attempts import attempt_store, attempt_waivers, former_parts
from services.clearance.submission.attempts.attempt_store import Attempt, ToOpen
from services.clearance.submission.attempts.rounds import Asked, Round
from services.clearance.submission.events import Outgoing
from services.kit.messaging.event_sets import Received
from services.kit.names import STUDENT
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver, departments_to_ask
from services.kit.runtime.failpoints import failpoint
from services.kit.signing.session_proofs import session_key_of


class Opening:
    """In the transaction open on `connection`, under the locks of the `cases`, with commands that are each of another
    student. `required`: department → checks it attests. `topic`: of submissions."""

    def __init__(
        self, *, topic: str, required: Mapping[str, tuple[str, ...]], waivers: CaseWaivers, life_s: float
    ) -> None:
        self._topic, self._required, self._waivers, self._life_s = topic, required, waivers, life_s

    async def open_or_recall(
        self,
        connection: Connection,
        commands: Sequence[Received[SubmitAsked]],
        cases: Mapping[str, Case],
        known: Mapping[UUID, Round],
        outgoing: Outgoing,
    ) -> dict[UUID, Round]:
        """`known`: rounds of commands that were received before. Returns those that were opened, by command."""
        numbers = {one.event.student_id: _case_number(cases.get(one.event.student_id)) for one in commands}
        standing = await submission_store.standing_events(connection, numbers)
        new = [one for one in commands if one.event.command_id not in known]
        openable = {
            one.event.command_id: case
            for one in new
            if one.event.student_id not in standing
            and (case := cases.get(one.event.student_id)) is not None
            and case.may_be_submitted
        }
        opened = await self._open(connection, openable)
        failpoint("submit.after_open")
        refused = await _refuse(connection, new, opened, openable, standing, numbers)
        cohorts = await _cohorts(connection, cases, {**known, **opened})
        for one in commands:
            with one.traced():
                attempt_id, student_id = one.event.command_id, one.event.student_id
                if attempt_id in refused:
                    _note(one.event, refused[attempt_id].cause, (), outgoing)
                    attempt = refused[attempt_id]
                elif attempt_id in opened:
                    attempt = opened[attempt_id].whole.attempt
                    _note(one.event, "opened", sorted(attempt.required), outgoing)
                else:
                    attempt = known[attempt_id].whole.attempt
                if attempt.state is AttemptState.ACCEPTED:
                    accepted = await submission_store.accepted_event(connection, attempt_id)
                    outgoing.publish(self._topic, *([accepted] if accepted else ()))
                    continue
                outgoing.publish(self._topic, *([standing[student_id]] if student_id in standing else ()))
                if attempt.state is AttemptState.OPEN:
                    asked = (opened.get(attempt_id) or known[attempt_id]).asked
                    outgoing.publish(self._topic, *(_requested(each, cohorts) for each in asked))
                else:
                    outgoing.publish(self._topic, attempt.refused_event())
        return opened

    async def _open(self, connection: Connection, cases: Mapping[UUID, Case]) -> dict[UUID, Round]:
        """By command. With the waivers of now, which stay the attempts'. Not those of whom another attempt is open."""
        former = await case_store.former_cases(connection, [case.student.student_id for case in cases.values()])
        numbers = [one.student.student_id for each in former.values() for one in each]
        busy = await former_parts.with_open_attempt(connection, numbers)
        free = {
            attempt_id: (case, *former[case.student.student_id])
            for attempt_id, case in cases.items()
            if not any(one.student.student_id in busy for one in former[case.student.student_id])
        }
        waivers = await self._waivers.of(connection, [case for each in free.values() for case in each])
        wanted = [self._to_open(attempt_id, each[0], waivers) for attempt_id, each in free.items()]
        opened = await attempt_store.open_each(connection, wanted, life_s=self._life_s)
        parts = [
            (
                attempt_id,
                ordinal,
                self._to_open(former_parts.part_id(attempt_id, case.student.student_id), case, waivers),
            )
            for attempt_id in opened
            for ordinal, case in enumerate(free[attempt_id][1:], start=1)
        ]
        asked = [*opened.values(), *await attempt_store.open_parts(connection, parts)]
        await attempt_waivers.freeze(connection, [(one.attempt_id, waivers[one.student_id].values()) for one in asked])
        return {
            attempt_id: Round(
                cases[attempt_id],
                tuple(
                    Asked(one, waivers[one.student_id], {})
                    for one in asked
                    if attempt_id in (one.attempt_id, one.parent_id)
                ),
            )
            for attempt_id in opened
        }

    def _to_open(self, attempt_id: UUID, case: Case, waivers: Mapping[str, Mapping[CheckKey, Waiver]]) -> ToOpen:
        student_id = case.student.student_id
        required = departments_to_ask(self._required, waivers[student_id])
        return ToOpen(attempt_id, student_id, required, case.case_number)


def _case_number(case: Case | None) -> int:
    return case.case_number if case else 1


async def _refuse(
    connection: Connection,
    new: Sequence[Received[SubmitAsked]],
    opened: Mapping[UUID, Round],
    openable: Mapping[UUID, Case],
    standing: Mapping[str, SubmissionAccepted],
    numbers: Mapping[str, int],
) -> dict[UUID, Attempt]:
    """Those of the new ones that were not opened, by command."""

    def cause(event: SubmitAsked) -> RefusalCause:
        if event.student_id in standing:
            return RefusalCause.ALREADY_SUBMITTED
        return RefusalCause.ANOTHER_OPEN if event.command_id in openable else RefusalCause.CASE_NOT_OPEN

    events = [one.event for one in new if one.event.command_id not in opened]
    return await attempt_store.add_refused(
        connection, [(event.command_id, event.student_id, cause(event), numbers[event.student_id]) for event in events]
    )


async def _cohorts(
    connection: Connection, cases: Mapping[str, Case], rounds: Mapping[UUID, Round]
) -> dict[str, str | None]:
    """By student, of attempts and parts that are open."""
    asked = {
        each.attempt.student_id
        for one in rounds.values()
        for each in one.asked
        if each.attempt.state is AttemptState.OPEN
    }
    others = await case_store.find_each(connection, asked - cases.keys())
    return {student_id: case.student.cohort for student_id, case in {**cases, **others}.items()}


def _requested(asked: Asked, cohorts: Mapping[str, str | None]) -> SubmissionRequested:
    attempt = asked.attempt
    waived = attempt_waivers.waived_by_department(asked.waivers.values())
    return attempt.requested_event(waived, cohorts.get(attempt.student_id))


def _note(event: SubmitAsked, outcome: str, required: Sequence[str], outgoing: Outgoing) -> None:
    details = {"attempt": event.command_id, "required": required, **session_key_of(event)}
    outgoing.note(actor=STUDENT, act="submission.ask", outcome=outcome, student_id=event.student_id, details=details)
