"""Decides an attempt once its answers suffice: what was settled purely, held against what is true by now."""

from collections.abc import Sequence

from schemas.attempts import AttemptState, RefusalCause
from schemas.events import CaseState
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.roster import case_store
from services.clearance.roster.cases import Case
from services.clearance.submission.attempts import attempt_store
from services.clearance.submission.attempts.asked_attempts import Asked
from services.clearance.submission.round.ends import Ends
from services.clearance.submission.round.settlement import Outcome, combined, in_time, settle
from services.kit.postgres.pool import Connection


class Decision:
    """In the transaction open on `connection`, under the lock of the attempt's case."""

    def __init__(self, waivers: CaseWaivers, ends: Ends) -> None:
        self._waivers, self._ends = waivers, ends

    async def settle(self, connection: Connection, case: Case | None, asked: Sequence[Asked]) -> None:
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
                await self._ends.accept(connection, case, asked)
            else:
                await self._ends.refuse(connection, whole, AttemptState.REFUSED, cause)
        elif settlement.outcome is Outcome.REFUSED:
            assert settlement.cause is not None
            state = AttemptState.EXPIRED if settlement.cause is RefusalCause.EXPIRED else AttemptState.REFUSED
            await self._ends.refuse(connection, whole, state, settlement.cause, objections=settlement.objections)

    async def _still_waived(self, connection: Connection, of: Sequence[Case], asked: Sequence[Asked]) -> bool:
        for case, one in zip(of, asked, strict=True):
            if one.waivers and not one.waivers.keys() <= (await self._waivers.of(connection, case)).keys():
                return False
        return True
