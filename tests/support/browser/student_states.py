"""What the read model holds of a person before a page is shown to them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from schemas.events import CommandAnswered, CommandOutcome, Reason
from services.gateway.read_model.types import ReceivedStatus
from services.gateway.tables.commands import end
from tests.support.browser.scene_setter import SceneSetter, Visitor, connected
from tests.support.samples import case_samples

RARE: Final = "欧阳䶮㛃𠮷𬭚"
"""A name whose characters lie outside of what old fonts and old databases hold."""
ARREARS: Final = Reason(code="arrears", parameters={"count": 3, "total": "682.40"})
VOID_REASON: Final = "姓名有误，学生处来函更正，学位证书编号一并重新核对"


async def nothing(scenes: SceneSetter, actor: Visitor) -> None:
    """Signed in, and no more."""


async def favourite(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.ask(actor, "/favourite", kept="yes", back="/")


async def waiting(scenes: SceneSetter, actor: Visitor) -> None:
    """On the roster since a moment ago: no department has spoken."""
    await scenes.clearance.put_case(actor.student_id)


async def without_data(scenes: SceneSetter, actor: Visitor) -> None:
    """The roster came first: every department says that it does not know the person yet."""
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.without_data().statuses, cause="case-opened")


async def in_question(scenes: SceneSetter, actor: Visitor) -> None:
    """One department is late, and one refused a row about the person."""
    await scenes.clearance.put_case(actor.student_id)
    late = case_samples.without_data().statuses["archives"]
    await say(scenes, actor, case_samples.in_question().statuses, cause="question-opened")
    await say(scenes, actor, {"archives": late}, version=4, cause="case-opened")


async def blocked(scenes: SceneSetter, actor: Visitor) -> None:
    """Something to do at every department but one that has not spoken."""
    await scenes.clearance.put_case(actor.student_id, name=RARE)
    await say(scenes, actor, {name: one for name, one in case_samples.blocked().statuses.items() if name != "archives"})


async def nearly(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.nearly().statuses)


async def waived(scenes: SceneSetter, actor: Visitor) -> None:
    """One check the person does not need, one that is released; the rest is clear."""
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.waived().statuses)
    for waiver in case_samples.waived().waivers.exemptions:
        await scenes.clearance.exempt(actor.student_id, waiver)


async def completed_with_waivers(scenes: SceneSetter, actor: Visitor) -> None:
    waivers = case_samples.waived().waivers.exemptions
    await scenes.clearance.accept_signed(actor.student_id, name=RARE, waivers=waivers)
    await say(scenes, actor, case_samples.waived().statuses)


async def card_open(scenes: SceneSetter, actor: Visitor) -> None:
    """Only the library card is in the way."""
    await scenes.clearance.put_case(actor.student_id)
    await say(scenes, actor, case_samples.card_open().statuses)


async def card_asked(scenes: SceneSetter, actor: Visitor) -> None:
    await card_open(scenes, actor)
    await scenes.ask(actor, "/case/library/cancel-card")


async def card_refused(scenes: SceneSetter, actor: Visitor) -> None:
    await card_asked(scenes, actor)
    answer = CommandAnswered(
        command_id=await scenes.command(actor),
        student_id=actor.student_id,
        department="library",
        outcome=CommandOutcome.REFUSED,
        reasons=(Reason(code="books-not-returned", parameters={"count": 1}),),
        answered_at=datetime.now(UTC),
    )
    async with connected(actor.gateway.database) as connection, connection.transaction():
        await end(connection, answer)


async def clear(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.clearance.put_case(actor.student_id)
    await scenes.clearance.all_clear(actor.student_id)


async def asked(scenes: SceneSetter, actor: Visitor) -> None:
    """Submitted; two departments have answered."""
    await clear(scenes, actor)
    await scenes.ask(actor, "/submit")
    await _attempt(scenes, actor, "open", answered=("library", "dorm"))


async def objected(scenes: SceneSetter, actor: Visitor) -> None:
    """Submitted, and the finance office said no: the last one came from its newest record."""
    await blocked(scenes, actor)
    await scenes.clearance.all_clear(actor.student_id)
    await scenes.ask(actor, "/submit")
    await say(scenes, actor, {"finance": case_samples.blocked().statuses["finance"]}, version=5)
    await _attempt(scenes, actor, "refused", objections={"finance": [ARREARS.model_dump(mode="json")]})


async def completed(scenes: SceneSetter, actor: Visitor) -> None:
    """Accepted, signed, and every department's word as it was."""
    await scenes.clearance.accept_signed(actor.student_id, name=RARE)
    await say(scenes, actor, case_samples.clear().statuses)


async def late_debt(scenes: SceneSetter, actor: Visitor) -> None:
    """Accepted, and the finance office has charged something since."""
    await completed(scenes, actor)
    await say(scenes, actor, {"finance": case_samples.blocked().statuses["finance"]}, version=5)
    await scenes.clearance.open_exception(actor.student_id, "finance", ARREARS)


async def voided(scenes: SceneSetter, actor: Visitor) -> None:
    """The form was voided: the case is open again, and everything still clear."""
    form = await scenes.clearance.accept_signed(actor.student_id, name=RARE)
    await say(scenes, actor, case_samples.clear().statuses)
    await scenes.clearance.void(actor.student_id, form.form_number, VOID_REASON)


async def replaced(scenes: SceneSetter, actor: Visitor) -> None:
    """Submitted again after the form was voided."""
    form = await scenes.clearance.accept_signed(actor.student_id, name=RARE)
    await say(scenes, actor, case_samples.clear().statuses)
    await scenes.clearance.void(actor.student_id, form.form_number, VOID_REASON)
    await scenes.clearance.accept_signed(actor.student_id, name=RARE, replaces=form.form_number)


async def not_served(scenes: SceneSetter, actor: Visitor) -> None:
    await scenes.clearance.put_case(actor.student_id, state="not-served", category="结业")


async def say(
    scenes: SceneSetter,
    actor: Visitor,
    heard: Mapping[str, ReceivedStatus],
    version: int = 3,
    *,
    cause: str = "record-replaced",
) -> None:
    """Departments' words on the person, as the samples have them."""
    for department, one in heard.items():
        text = json.dumps(case_samples.checks_of(one)).replace(one.status.student_id, actor.student_id)
        checks = json.loads(text)
        await scenes.clearance.put_status(actor.student_id, department, checks, version, cause=cause)


async def _attempt(
    scenes: SceneSetter, actor: Visitor, state: str, *, answered: tuple[str, ...] = (), objections: Any = None
) -> None:
    attempt_id = await scenes.command(actor)
    async with connected(scenes.gateway.read_model) as connection, connection.transaction():
        await connection.execute(
            """
            INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at, cause,
                                 objections)
            VALUES ($1, $2, $3, '{archives,dorm,finance,library}', now(), now() + interval '1 h',
                    CASE WHEN $3 = 'open' THEN NULL ELSE now() END, 'objected', $4)
            """,
            attempt_id,
            actor.student_id,
            state,
            json.dumps(objections or {}),
        )
        for department in answered:
            await connection.execute(
                "INSERT INTO answer (attempt_id, department, outcome, said) VALUES ($1, $2, 'clear', '{}')",
                attempt_id,
                department,
            )
