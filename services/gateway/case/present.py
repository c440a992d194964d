"""Progress as a page model. Pure."""

from services.gateway.case.accepted_form import form_view, void_sentence
from services.gateway.case.checks import check_view, group_view
from services.gateway.case.decision import CheckState
from services.gateway.case.progress import CaseProgress
from services.gateway.case.student_info import student_info
from services.gateway.case.submission_round import SubmissionState
from services.gateway.case.submit_panel import submit_view
from services.gateway.case.view_model import CasePage, EarlierForm, FormView, Group, Summary
from services.gateway.case.wording import ViewContext, headline
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
    words = headline(context, progress)
    state = progress.submission.state
    open_lines: tuple[tuple[str, str], ...] = ()
    tone = CheckState.WAITING.value
    if state is SubmissionState.DONE:
        tone = SubmissionState.DONE.value
    elif state is SubmissionState.READY:
        tone = CheckState.CLEAR.value
    elif state is SubmissionState.OPEN_ITEMS:
        views = [view for group in groups for view in group.lines if not view.state.passes]
        open_lines = tuple((view.anchor, view.title) for view in views)
        tone = CheckState.BLOCKED.value if any(view.state is CheckState.BLOCKED for view in views) else tone
    return Summary(tone, words.sentence, words.next_step, open_lines)
