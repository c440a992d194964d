"""Forgetting a student whose departure is not finished: decided by two persons, always."""

from functools import partial
from typing import Any, Final

from services.clearance.approvals.actions import Action, Approved, ProposalBody
from services.clearance.forgetting.departures import check_finished, numbers_of
from services.clearance.forgetting.forget import Decided, Forgetting
from services.kit.names import APPROVER, FORGETTING
from services.kit.postgres.pool import Connection

NAME: Final = "forget-student"


class ForgetBody(ProposalBody):
    """The proposal goes with everything else; the audit keeps the reason."""


def forget_action(forgetting: Forgetting) -> Action[ForgetBody]:
    return Action(
        name=NAME,
        summary="Forget a student everywhere, also one whose departure is not finished",
        body=ForgetBody,
        proposes=FORGETTING,
        confirms=APPROVER,
        check=_check,
        apply=partial(_apply, forgetting),
        examples=({"student_id": "TS20260001", "reason": "本人依法申请删除"},),
        always_two=True,
    )


async def _check(connection: Connection, body: ForgetBody) -> None:
    await check_finished(connection, await numbers_of(connection, body.student_id), forced=True)


async def _apply(forgetting: Forgetting, connection: Connection, approved: Approved[Any]) -> None:
    decided = Decided(approved.confirmed_by, approved.body.reason, approved.proposed_by)
    await forgetting.forget(connection, approved.body.student_id, decided)
