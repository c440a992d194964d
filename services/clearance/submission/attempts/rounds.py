"""Attempts with their parts, locked, and as the transaction has them so far."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from schemas.attempts import AttemptState
from services.clearance.roster import case_store
from services.clearance.roster.cases import Case
from services.clearance.submission.attempts import attempt_store, former_parts
from services.clearance.submission.attempts.answers import Answers, answers_of
from services.clearance.submission.attempts.attempt_store import Attempt
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver


@dataclass(slots=True)
class Asked:
    """An attempt or a part of one, with what it may leave out and what was answered."""

    attempt: Attempt
    waivers: Mapping[CheckKey, Waiver]
    answers: Answers

    @property
    def required(self) -> Answers:
        """When all have answered."""
        return {name: self.answers[name] for name in sorted(self.attempt.required)}


@dataclass(frozen=True, slots=True)
class Round:
    """`case`: of the attempt's student, None of one who is not on the roster. `asked`: the attempt, then its parts."""

    case: Case | None
    asked: tuple[Asked, ...]

    @property
    def whole(self) -> Asked:
        return self.asked[0]

    @property
    def parts(self) -> tuple[Asked, ...]:
        return self.asked[1:]

    @property
    def open(self) -> tuple[Asked, ...]:
        """All of them or none, but after a restore: of an attempt and its parts only some ends may have been sent."""
        return tuple(one for one in self.asked if one.attempt.state is AttemptState.OPEN)

    @property
    def known_cause(self) -> str | None:
        """Why some of them have ended, if others are open still."""
        return next((one.attempt.cause for one in self.asked if one.attempt.cause), None)

    def of(self, attempt_id: UUID) -> Asked:
        return next(one for one in self.asked if one.attempt.attempt_id == attempt_id)


@dataclass(frozen=True, slots=True)
class LockedRounds:
    """`by_attempt`: each round by its attempt and by its parts. `now`: the database's clock, once all was locked."""

    by_attempt: Mapping[UUID, Round]
    now: datetime


async def lock_rounds(connection: Connection, said: Iterable[tuple[UUID, str]]) -> LockedRounds:
    """`said`: attempts or parts, with the student of each. Those that there are not are missing from the result."""
    given = set(said)
    owners = await former_parts.owners(connection, {attempt_id for attempt_id, _ in given})
    # One that is not there yet may be opened before the lock is held.
    owned = {owners.get(one[0], one) for one in given}
    cases = await case_store.lock_each(connection, {student_id for _, student_id in owned})
    locked = await lock_attempts(connection, {attempt_id for attempt_id, _ in owned}, cases)
    if any(one.whole.attempt.parent_id is not None for one in locked.by_attempt.values()):
        # A part was opened meanwhile: now its owner is found.
        return await lock_rounds(connection, given)
    return locked


async def lock_attempts(connection: Connection, attempt_ids: Iterable[UUID], cases: Mapping[str, Case]) -> LockedRounds:
    """With their parts. `cases`: those of their students, locked before."""
    locked = await attempt_store.lock_each(connection, attempt_ids)
    if not locked:
        return LockedRounds({}, datetime.now(UTC))
    answers, waivers, now = await answers_of(connection, [one.attempt_id for one in locked])
    wholes: dict[UUID, list[Asked]] = {}
    for one in locked:
        asked = Asked(one, waivers.get(one.attempt_id, {}), answers.get(one.attempt_id, {}))
        wholes.setdefault(one.parent_id or one.attempt_id, []).append(asked)
    rounds = [Round(cases.get(asked[0].attempt.student_id), tuple(asked)) for asked in wholes.values()]
    return LockedRounds({one.attempt.attempt_id: each for each in rounds for one in each.asked}, now)
