"""Decides an attempt once its answers suffice: what was settled purely, held against what is true by now."""

from collections.abc import Sequence

from schemas.attempts import RefusalCause
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.roster import case_store
from services.clearance.roster.cases import Case
from services.clearance.submission.attempts import attempt_store
from services.clearance.submission.attempts.asked_attempts import Asked
from services.clearance.submission.round.ends import Ends
from services.clearance.submission.round.settlement import Outcome, Settlement, combined, in_time, settle
from services.kit.postgres.pool import Connection


class Decision:
    """In the transaction open on `connection`, under the lock of the attempt's case."""

    def __init__(self, waivers: CaseWaivers, ends: Ends) -> None:
        self._waivers, self._ends = waivers, ends

    async def settle(self, connection: Connection, case: Case | None, asked: Sequence[Asked]) -> None:
        """`asked`: the attempt, then its parts."""
        settlement = await self._settled(connection, case, asked)
        if settlement.outcome is Outcome.ACCEPTED:
            assert case is not None
            await self._ends.accept(connection, case, asked)
        elif settlement.outcome is Outcome.REFUSED:
            assert settlement.cause is not None
            await self._ends.refuse(connection, asked[0].attempt, settlement.cause, settlement.objections)

    async def _settled(self, connection: Connection, case: Case | None, asked: Sequence[Asked]) -> Settlement:
        whole = asked[0].attempt
        case_open = case is not None and case.may_be_submitted and case.case_number == whole.case_number
        settlement = combined(
            [settle(one.attempt.required, one.answers, case_open=case_open, waived=one.waivers.keys()) for one in asked]
        )
        if settlement.outcome is Outcome.ACCEPTED:
            expired = await attempt_store.is_expired(connection, whole.attempt_id)
            settlement = in_time(settlement, expired=expired, held=await _held(connection, asked))
        if settlement.outcome is Outcome.ACCEPTED:
            assert case is not None
            cause = await self._changed_since(connection, case, asked)
            return settlement if cause is None else Settlement(Outcome.REFUSED, cause)
        return settlement

    async def _changed_since(self, connection: Connection, case: Case, asked: Sequence[Asked]) -> RefusalCause | None:
        """What the attempt was opened with, and does not hold any more."""
        former = await case_store.former_cases(connection, case.student.student_id)
        if [one.student.student_id for one in former] != [one.attempt.student_id for one in asked[1:]]:
            return RefusalCause.NUMBERS_CHANGED
        for of, one in zip((case, *former), asked, strict=True):
            if one.waivers and not one.waivers.keys() <= (await self._waivers.of(connection, of)).keys():
                return RefusalCause.WAIVER_ENDED
        return None


async def _held(connection: Connection, asked: Sequence[Asked]) -> bool:
    """Whether every answer is still held: those to an attempt's first life are not, once it was opened anew."""
    ends = [answer.held_until for one in asked for answer in one.required.values() if answer.held_until is not None]
    first = min(ends, default=asked[0].attempt.expires_at)
    return first >= asked[0].attempt.expires_at or not await attempt_store.is_past(connection, first)
