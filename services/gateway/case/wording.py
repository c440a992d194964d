"""The sentences about a case, on pages and in the JSON API. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from pydantic import JsonValue

from schemas.attempts import RefusalCause
from schemas.events import UNKNOWN_REASONS, Reason
from services.gateway.case.command_offer import CommandOffer
from services.gateway.case.decision import CheckState, WaitingReason
from services.gateway.case.eligibility import Eligibility, Obstacle
from services.gateway.case.progress import CaseProgress, CheckProgress, Standing
from services.gateway.case.submission_round import SubmissionRefusal, SubmissionState
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import LocalTime, campus_zone, local_day, local_time, long_date
from services.gateway.read_model.types import UNANSWERED
from services.gateway.university import Site
from services.kit.manifests import CheckManifest, DepartmentManifest
from services.kit.message_format import Language
from services.kit.rules.reasons import CHANGE_WAITING
from services.kit.rules.waivers import Waiver, WaiverKind

_CAUSES: Final = (frozenset(RefusalCause) - {RefusalCause.OBJECTED}) | {UNANSWERED}
"""Ends of an attempt that no department's reason explains."""


@dataclass(frozen=True, slots=True)
class ViewContext:
    """`now` is the time of the request."""

    site: Site
    texts: Texts
    now: datetime

    @property
    def language(self) -> Language:
        return self.texts.language

    @property
    def local_day(self) -> date:
        return local_day(self.now, self.site.university.utc_offset_minutes)

    def on_campus(self, at: datetime) -> datetime:
        return at.astimezone(campus_zone(self.site.university.utc_offset_minutes))

    def campus_time(self, at: datetime) -> str:
        """`2026-06-08 10:35`, for a file."""
        return f"{self.on_campus(at):%Y-%m-%d %H:%M}"

    def local_time(self, at: datetime) -> LocalTime:
        offset = self.site.university.utc_offset_minutes
        return local_time(at, now=self.now, offset_minutes=offset, language=self.language)


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
        number = progress.accepted.form_number if progress.accepted else ""
        sentence = texts("summary.done", number=number) if number else texts("summary.done_no_form")
        return Headline(sentence, texts("summary.done_next", form=texts.of(context.site.university.form_title)))
    if state is SubmissionState.ASKED:
        return Headline(texts("summary.asked"), texts("summary.asked_next"))
    if state is SubmissionState.READY:
        return Headline(_ready_sentence(texts, progress), texts("summary.clear_next"))
    return _open_headline(context, progress)


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
        return unknown_sentence(texts, first.department, reason, _phones(first.department, first.check))
    return next(iter(next_steps(context, first)), "")


def next_steps(context: ViewContext, progress: CheckProgress) -> tuple[str, ...]:
    """For an open check."""
    texts, department, result = context.texts, progress.department, progress.result
    if progress.command is not None and progress.command.under_way:
        return (command_note(context, progress),)
    if result.state.passes:
        return ()
    title, waiting = texts.of(department.title), result.waiting_reason
    if waiting in (WaitingReason.UNREPORTED, WaitingReason.UNREADABLE, WaitingReason.UNAVAILABLE):
        return (texts(f"waiting.{waiting}", department=title),)
    known = (reason for reason in result.reasons if reason.code not in UNKNOWN_REASONS)
    sentences = tuple(reason_sentence(texts, department, reason, progress.check) for reason in known)
    if waiting is WaitingReason.STALE and progress.received is not None:
        since = progress.received.alive_as_of or progress.received.received_at
        return (texts("waiting.stale", department=title, since=context.local_time(since).words), *sentences)
    if waiting is not None:
        return (unknown_sentence(texts, department, waiting), *sentences)
    return sentences or (texts("todo.unknown", department=title),)


def unknown_sentence(texts: Texts, department: DepartmentManifest, code: str, phones: Sequence[str] = ()) -> str:
    """`code` is reserved: the department does not know, and whom to ask about it."""
    title = texts.of(department.title)
    contact = texts("contact.phones", department=title, phones=texts.joined(phones)) if phones else title
    return texts(f"waiting.{code}", department=title, contact=contact)


def _phones(department: DepartmentManifest, check: CheckManifest | None) -> tuple[str, ...]:
    """Of the check, else of every check of the department."""
    return tuple(dict.fromkeys(phone for one in ((check,) if check else department.checks) for phone in one.phones))


def waiver_sentence(context: ViewContext, progress: CheckProgress) -> str:
    """Why the student does not need the check, and until when; empty if they do."""
    waiver, texts = progress.waiver, context.texts
    if waiver is None:
        return ""
    until = long_date(waiver.until, context.language) if waiver.until else ""
    key = "waiver.until" if until else "waiver.for_good"
    reason = waiver.reason_in(context.language)
    return texts(key, verdict=waiver_word(texts, waiver), reason=reason, until=until)


def waiver_word(texts: Texts, waiver: Waiver) -> str:
    return texts("verdict.released" if waiver.kind is WaiverKind.RELEASED else "verdict.waived")


def notes(texts: Texts, check: CheckManifest, facts: Mapping[str, JsonValue]) -> tuple[str, ...]:
    return tuple(texts.of(text, facts) for name, text in check.notes.items() if facts.get(name) not in (None, ""))


def reason_sentence(
    texts: Texts, department: DepartmentManifest, reason: Reason, check: CheckManifest | None = None
) -> str:
    """For a code without a sentence in the manifest: the contact. The reserved codes have words of the page."""
    if reason.code in UNKNOWN_REASONS or reason.code == CHANGE_WAITING.code:
        return unknown_sentence(texts, department, reason.code, _phones(department, check))
    checks = (check,) if check else department.checks
    sentences = [one.reasons[reason.code] for one in checks if reason.code in one.reasons]
    if not sentences and reason.code in department.refusals:
        sentences = [department.refusals[reason.code]]
    if not sentences:
        return texts("todo.unknown", department=texts.of(department.title))
    return texts.of(sentences[0], reason.parameters)


def command_note(context: ViewContext, progress: CheckProgress) -> str:
    command, offer = progress.command, progress.check.command
    if command is None or command.last is None or offer is None:
        return ""
    texts, department, last = context.texts, progress.department, command.last
    label, title = texts.of(offer.label), texts.of(department.title)
    if command.offer is CommandOffer.ASKED:
        asked_at = context.local_time(last.asked_at).words
        return texts("command.asked", label=label, department=title, at=asked_at)
    if command.offer is CommandOffer.DONE:
        return texts("command.done", label=label, department=title)
    if last.cause == UNANSWERED:
        return texts("command.unanswered", label=label, department=title)
    why = " ".join(reason_sentence(texts, department, reason) for reason in last.reasons)
    return texts("command.refused", label=label, department=title, why=why)


def refusal_sentences(context: ViewContext, refusal: SubmissionRefusal | None) -> tuple[str, tuple[str, ...]]:
    """The newest attempt's end and objections; empty if not refused."""
    if refusal is None:
        return "", ()
    texts, departments = context.texts, context.site.departments
    objections = tuple(
        texts(
            "submit.objection",
            department=texts.of(departments[name].title),
            why=" ".join(reason_sentence(texts, departments[name], reason) for reason in reasons),
        )
        for name, reasons in refusal.objections.items()
        if name in departments
    )
    cause = refusal.cause if refusal.cause in _CAUSES else "otherwise"
    key = "submit.refused" if objections else f"submit.ended_{cause}"
    return texts(key, at=context.local_time(refusal.at).words), objections


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
