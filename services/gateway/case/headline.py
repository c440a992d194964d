"""The first sentence of a case, and why something cannot be done now. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.case.decision import CheckState, WaitingReason
from services.gateway.case.progress import CaseProgress, CheckProgress, Standing
from services.gateway.case.submission.eligibility import Eligibility, Obstacle
from services.gateway.case.submission.exception_wording import later_matters
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.case.wording import ViewContext, command_note, next_steps, phones_of, unknown_sentence
from services.gateway.i18n.catalogue import Texts


@dataclass(frozen=True, slots=True)
class Headline:
    sentence: str
    next_step: str


def headline(context: ViewContext, progress: CaseProgress) -> Headline:
    texts, standing, state = context.texts, progress.standing, progress.submission.state
    if progress.unavailable_since is not None:
        since = context.local_time(progress.unavailable_since).words
        return Headline(texts("summary.away", since=since), texts("summary.away_next"))
    if standing in (Standing.ABSENT, Standing.NOT_SERVED):
        key = standing.value.replace("-", "_")
        return Headline(texts(f"{key}.sentence"), texts(f"{key}.next"))
    if state is SubmissionState.DONE:
        return _done_headline(context, progress)
    if state is SubmissionState.ASKED:
        return Headline(texts("summary.asked"), texts("summary.asked_next"))
    if state is SubmissionState.READY:
        return Headline(_ready_sentence(texts, progress), texts("summary.clear_next"))
    return _open_headline(context, progress)


def _done_headline(context: ViewContext, progress: CaseProgress) -> Headline:
    texts, university, matters = context.texts, context.site.university, later_matters(context, progress)
    if matters:
        key = "summary.done_but" if len({matter.source for matter in matters}) == 1 else "summary.done_but_several"
        next_step = texts("summary.done_but_next", certificates=texts.of(university.certificates))
        return Headline(texts(key, source=matters[0].source, count=len(matters)), next_step)
    number = progress.accepted.form_number if progress.accepted else ""
    sentence = texts("summary.done", number=number) if number else texts("summary.done_no_form")
    return Headline(sentence, texts("summary.done_next", form=texts.of(university.form_title)))


def _ready_sentence(texts: Texts, progress: CaseProgress) -> str:
    waived = sum(one.waiver is not None for one in progress.checks)
    passed = len(progress.checks) - waived
    if not waived:
        return texts("summary.clear", count=passed)
    return texts("summary.clear_waived" if passed else "summary.all_waived", passed=passed, waived=waived)


def _open_headline(context: ViewContext, progress: CaseProgress) -> Headline:
    texts, open_checks = context.texts, progress.open_checks
    blocked = [one for one in open_checks if one.result.state is CheckState.BLOCKED]
    # A check whose command is under way needs nothing from the student.
    to_do = [one for one in blocked if not (one.command and one.command.under_way)]
    passed = sum(one.result.state is CheckState.CLEAR for one in progress.checks)
    counts = {"passed": passed, "open": len(open_checks)}
    if not blocked:
        key = "summary.waiting" if passed else "summary.all_waiting"
        step = texts("summary.next_waiting", step=_waiting_step(context, open_checks))
        return Headline(texts(key, **counts), step)
    steps = next_steps(context, (to_do or blocked)[0])
    step = texts("summary.next" if to_do else "summary.next_waiting", step=steps[0] if steps else "")
    return Headline(texts("summary.open" if passed else "summary.none_passed", **counts), step)


def _waiting_step(context: ViewContext, open_checks: Sequence[CheckProgress]) -> str:
    """While nothing is blocked: whose data is missing, and whom to ask."""
    texts, first = context.texts, open_checks[0]
    departments = {one.department.name: texts.of(one.department.title) for one in open_checks}
    reasons = {one.result.waiting_reason for one in open_checks}
    if reasons == {WaitingReason.NO_DATA} and len(departments) > 1:
        return texts("summary.no_data_next", departments=texts.joined(list(departments.values())))
    reason = first.result.waiting_reason
    if reason in (WaitingReason.NO_DATA, WaitingReason.OPEN_QUESTION):
        return unknown_sentence(texts, first.department, reason, phones_of(first.department, first.check))
    return next(iter(next_steps(context, first)), "")


def obstacle_message(
    context: ViewContext, progress: CaseProgress, eligibility: Eligibility
) -> tuple[str, tuple[str, ...]]:
    """Title and paragraphs."""
    texts, summary, check = context.texts, headline(context, progress), eligibility.check
    if eligibility.obstacle is Obstacle.ALREADY_SUBMITTED:
        return summary.sentence, (texts(f"submit.{progress.submission.state}"),)
    if eligibility.obstacle is Obstacle.OPEN_ITEMS:
        return texts("submit.error_title"), (texts("submit.error_text"),)
    if not eligibility.command:
        return texts("submit.error_title"), (summary.sentence, summary.next_step)
    if check is None or check.check.command is None:
        return texts("command.not_offered", label=eligibility.command), (summary.sentence, summary.next_step)
    title = texts("command.not_offered", label=texts.of(check.check.command.label))
    if eligibility.obstacle is Obstacle.UNREADABLE:
        return title, (summary.sentence, summary.next_step)
    if note := command_note(context, check):
        return title, (note,)
    if check.result.state.passes:
        return title, (texts("command.not_offered_passed", title=texts.of(check.check.title)),)
    return title, (texts("command.not_offered_why", department=texts.of(check.department.title)),)
