"""The submission's part of the page. Pure."""

from typing import Final

from schemas.events import AttestationOutcome
from services.gateway.case.progress import CaseProgress, Standing
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.case.view_model import Group, RoundLine, SubmitView
from services.gateway.case.wording import ViewContext, refusal_sentences

_ANSWERED: Final = {AttestationOutcome.CLEAR: "confirmed", AttestationOutcome.OBJECTED: "objected"}


def submit_view(context: ViewContext, progress: CaseProgress, groups: tuple[Group, ...]) -> SubmitView:
    texts, state = context.texts, progress.submission.state
    if state is SubmissionState.UNAVAILABLE:
        return SubmitView(state, texts("submit.away") if progress.standing is Standing.UNAVAILABLE else "")
    if state is SubmissionState.DONE:
        return SubmitView(state, texts("submit.done"))
    if state is SubmissionState.ASKED:
        return SubmitView(state, texts("submit.asked"), round=_round(context, progress))
    refusal, objections = refusal_sentences(context, progress.submission.refusal)
    if state is SubmissionState.READY:
        waived = any(one.waiver for one in progress.checks)
        key = "submit.ready_waived" if waived else "submit.ready"
        return SubmitView(state, texts(key), refusal=refusal, refusal_reasons=objections)
    titles = [view.title for group in groups for view in group.lines if not view.state.passes]
    return SubmitView(state, texts("submit.missing", titles=texts.joined(titles)), (), refusal, objections)


def _round(context: ViewContext, progress: CaseProgress) -> tuple[RoundLine, ...]:
    lines = []
    asked = {one.department.name for one in progress.checks if one.waiver is None}
    for department in context.site.departments.values():
        if asked and department.name not in asked:
            continue
        title = context.texts.of(department.title)
        answer = progress.submission.answers.get(department.name)
        state = "waiting" if answer is None else _ANSWERED[answer]
        lines.append(RoundLine(state, context.texts(f"round.{state}", department=title)))
    return tuple(lines)
