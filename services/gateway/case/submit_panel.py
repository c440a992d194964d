"""The place of the submit button: what is missing, the confirmation round as it goes, how the last one ended. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from schemas.events import AttestationOutcome, Reason
from services.gateway.case.checks import ViewContext, reason_words
from services.gateway.case.decision import CheckState
from services.gateway.case.view_model import CheckView, RoundLine, SubmitView
from services.gateway.read_model.types import Attempt, AttemptState, Command, CommandState, StudentSnapshot

_CAUSES = ("expired", "case-not-open", "another-attempt-open", "already-submitted")
"""The ends of an attempt that no department's reason explains, as the clearance names them."""
_ANSWERED = {AttestationOutcome.CLEAR: "confirmed", AttestationOutcome.OBJECTED: "objected"}


def submit_view(
    showing: ViewContext,
    reading: StudentSnapshot,
    lines: Sequence[CheckView],
    command: Command | None,
    *,
    done: bool,
    asked: bool,
) -> SubmitView:
    texts = showing.texts
    if done:
        return SubmitView("done", texts("submit.done"))
    if asked:
        return SubmitView("asked", texts("submit.asked"), round=_round(showing, command, reading.attempt))
    refusal, reasons = _refusal(showing, command, reading.attempt)
    missing = tuple((one.anchor, one.title) for one in lines if one.state is not CheckState.CLEAR)
    if missing:
        sentence = texts("submit.missing", titles=texts.joined([title for _, title in missing]))
        return SubmitView("open-items", sentence, missing, (), refusal, reasons)
    return SubmitView("ready", texts("submit.ready"), (), (), refusal, reasons)


def round_open(command: Command | None, attempt: Attempt | None) -> bool:
    if attempt is not None and attempt.state is AttemptState.OPEN:
        return True
    if command is None or command.state is CommandState.REFUSED:
        return False
    ended = attempt is not None and attempt.attempt_id == command.command_id and attempt.state is not AttemptState.OPEN
    return not (ended and attempt is not None and attempt.state is not AttemptState.ACCEPTED)


def _round(showing: ViewContext, command: Command | None, attempt: Attempt | None) -> tuple[RoundLine, ...]:
    texts = showing.texts
    answers = attempt.answers if attempt and (command is None or attempt.attempt_id == command.command_id) else {}
    lines = []
    for department in showing.house.departments.values():
        title, answer = texts.of(department.title), answers.get(department.name)
        state = "waiting" if answer is None else _ANSWERED[answer]
        lines.append(RoundLine(title, state, texts(f"round.{state}", department=title)))
    return tuple(lines)


def _refusal(showing: ViewContext, command: Command | None, attempt: Attempt | None) -> tuple[str, tuple[str, ...]]:
    """How the newest ask ended, when it was refused: by the event heard here or by the attempt in the read model."""
    ends: list[tuple[datetime, str, Mapping[str, tuple[Reason, ...]]]] = []
    if command is not None and command.state is CommandState.REFUSED:
        ends.append((command.ended_at or command.asked_at, command.cause, command.objections))
    if attempt is not None and attempt.state in (AttemptState.REFUSED, AttemptState.EXPIRED):
        ends.append((attempt.ended_at or attempt.opened_at, attempt.cause, attempt.objections))
    if not ends:
        return "", ()
    at, cause, objections = max(ends, key=lambda end: end[0])
    texts, departments = showing.texts, showing.house.departments
    reasons = tuple(
        texts("submit.objection", department=texts.of(departments[name].title), why=why)
        for name, given in objections.items()
        if name in departments
        for why in [" ".join(reason_words(texts, departments[name], reason) for reason in given)]
    )
    sentence = "submit.refused" if reasons else f"submit.ended_{cause if cause in _CAUSES else 'otherwise'}"
    return texts(sentence, at=showing.moment(at).words), reasons
