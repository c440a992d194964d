"""Progress as a page model. Pure."""

from services.gateway.case.checks import check_view, group_view
from services.gateway.case.decision import CheckState
from services.gateway.case.headline import headline
from services.gateway.case.progress import CaseProgress
from services.gateway.case.student_info import student_info
from services.gateway.case.submission.accepted_form import form_view, void_sentence
from services.gateway.case.submission.exception_wording import later_matters
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.case.submission.submit_panel import submit_view
from services.gateway.case.view_model import CasePage, CheckView, EarlierForm, FormView, Group, Summary, Task, Turn
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.formats import long_date


def present(context: ViewContext, progress: CaseProgress) -> CasePage:
    case = progress.case
    groups = _groups(context, progress)
    applied_on = case.opened_on if case and groups else None
    return CasePage(
        standing=progress.standing,
        student=student_info(context, case) if case else (),
        applied_on=long_date(applied_on, context.language) if applied_on else "",
        summary=_summary(context, progress, groups),
        groups=groups,
        submit=submit_view(context, progress, groups),
        form=accepted_form(context, progress),
        notice=_notice(context, progress),
        earlier=earlier_forms(context, progress),
        now=progress.now,
    )


def accepted_form(context: ViewContext, progress: CaseProgress) -> FormView | None:
    if progress.accepted is None or progress.case is None:
        return None
    return form_view(context, progress.accepted, progress.case)


def earlier_forms(context: ViewContext, progress: CaseProgress) -> tuple[EarlierForm, ...]:
    """Newest first."""
    return tuple(
        EarlierForm(
            ordinal,
            form.form_number,
            context.local_time(form.accepted_at),
            void_sentence(context, form.void) if form.void else "",
        )
        for ordinal, form in reversed(list(enumerate(progress.forms, start=1)))
        if form != progress.accepted
    )


def earlier_form(context: ViewContext, progress: CaseProgress, ordinal: int) -> FormView | None:
    """Any of the student's forms, as it was accepted."""
    if not 1 <= ordinal <= len(progress.forms):
        return None
    form = progress.forms[ordinal - 1]
    case = form.student or progress.case
    return form_view(context, form, case) if case else None


def _notice(context: ViewContext, progress: CaseProgress) -> str:
    newest = progress.forms[-1] if progress.forms else None
    if progress.case is None or newest is None or newest.void is None or progress.accepted is not None:
        return ""
    if newest.case_number != progress.case.case_number:
        return ""
    at = context.local_time(newest.void.voided_at).exact
    return context.texts("case.void", number=newest.form_number, at=at, reason=newest.void.reason)


def _groups(context: ViewContext, progress: CaseProgress) -> tuple[Group, ...]:
    views = [(one.department.name, check_view(context, one)) for one in progress.checks]
    return tuple(
        group_view(context.texts, department, tuple(view for name, view in views if name == department.name))
        for department in context.site.departments.values()
        if progress.checks
    )


def _summary(context: ViewContext, progress: CaseProgress, groups: tuple[Group, ...]) -> Summary:
    words, state = headline(context, progress), progress.submission.state
    if state is SubmissionState.OPEN_ITEMS:
        tasks = tuple(_task(view) for group in groups for view in group.lines)
        blocked = any(task.state is CheckState.BLOCKED for task in tasks)
        tone = CheckState.BLOCKED if blocked else CheckState.WAITING
        return Summary(tone.value, words.sentence, words.next_step, tasks, _turns(context, tasks) if blocked else "")
    matters = later_matters(context, progress)
    tones = {SubmissionState.DONE: "caution" if matters else "done", SubmissionState.READY: CheckState.CLEAR.value}
    tone_word = tones.get(state, "asked" if state is SubmissionState.ASKED else CheckState.WAITING.value)
    return Summary(tone_word, words.sentence, words.next_step, matters=matters)


def _task(view: CheckView) -> Task:
    what = "" if view.state.passes else next(iter(view.todo), "")
    return Task(view.anchor, view.title, view.state, view.verdict, what, view.turn, view.turn_word, view.phones)


def _turns(context: ViewContext, tasks: tuple[Task, ...]) -> str:
    """`需要您办理 2 项 · 等待部门 1 项`."""
    counted = [(turn, sum(task.turn is turn for task in tasks)) for turn in Turn]
    return " · ".join(context.texts(f"turn.count_{turn}", count=count) for turn, count in counted if count)
