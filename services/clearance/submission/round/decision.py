"""Decides attempts once their answers suffice: what was settled purely, held against what is true by now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.attempts import RefusalCause
from services.clearance.exemptions.waivers_of_case import CaseWaivers
from services.clearance.roster import case_store
from services.clearance.roster.cases import Case
from services.clearance.submission.attempts.rounds import Round
from services.clearance.submission.round.settlement import Outcome, Settlement, combined, in_time, settle
from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver


@dataclass(frozen=True, slots=True)
class Standing:
    """What attempts were opened with, as it is now: the former numbers of each student, and the checks that students
    with waivers do not need. Under the locks of the cases, which keep both."""

    former: Mapping[str, tuple[Case, ...]]
    waivers: Mapping[str, Mapping[CheckKey, Waiver]]


async def standing_of(connection: Connection, waivers: CaseWaivers, rounds: Collection[Round]) -> Standing:
    """Of the rounds that may be accepted."""
    served = [(one, one.case) for one in rounds if one.case is not None]
    former = await case_store.former_cases(connection, {case.student.student_id for _, case in served})
    waived: list[Case] = []
    for one, case in served:
        if any(asked.waivers for asked in one.asked):
            waived += (case, *former[case.student.student_id])
    return Standing(former, await waivers.of(connection, waived))


def decide(one: Round, standing: Standing, now: datetime) -> Settlement:
    """Pure. `standing` has the round's student, if all have answered. `now`: the database's clock."""
    if one.known_cause is not None:
        return Settlement(Outcome.REFUSED, one.known_cause)
    whole, case = one.whole.attempt, one.case
    case_open = case is not None and case.may_be_submitted and case.case_number == whole.case_number
    settlement = combined(
        [
            settle(each.attempt.required, each.answers, case_open=case_open, waived=each.waivers.keys())
            for each in one.asked
        ]
    )
    settlement = in_time(settlement, expired=whole.expires_at <= now, held=_held(one, now))
    if settlement.outcome is Outcome.ACCEPTED:
        assert case is not None
        cause = _changed_since(one, case, standing)
        return settlement if cause is None else Settlement(Outcome.REFUSED, cause)
    return settlement


def _changed_since(one: Round, case: Case, standing: Standing) -> RefusalCause | None:
    """What the attempt was opened with, and does not hold any more."""
    former = standing.former[case.student.student_id]
    if [each.student.student_id for each in former] != [part.attempt.student_id for part in one.parts]:
        return RefusalCause.NUMBERS_CHANGED
    for each in one.asked:
        if each.waivers and not each.waivers.keys() <= standing.waivers[each.attempt.student_id].keys():
            return RefusalCause.WAIVER_ENDED
    return None


def _held(one: Round, now: datetime) -> bool:
    """Whether every answer is still held: those to an attempt's first life are not, once it was opened anew."""
    expires_at = one.whole.attempt.expires_at
    ends = [
        answer.held_until for each in one.asked for answer in each.answers.values() if answer.held_until is not None
    ]
    first = min(ends, default=expires_at)
    return first >= expires_at or first > now
