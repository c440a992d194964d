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
from services.gateway.case.progress import CheckProgress
from services.gateway.case.submission.submission_round import SubmissionRefusal
from services.gateway.case.view_model import Turn
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
    def terms(self) -> Mapping[str, str]:
        """The data's own words in the language of the page; what is not listed stays as it is."""
        return self.site.university.terms if self.language == "en" else {}

    @property
    def local_day(self) -> date:
        return local_day(self.now, self.site.university.utc_offset_minutes)

    def on_campus(self, at: datetime) -> datetime:
        return at.astimezone(campus_zone(self.site.university.utc_offset_minutes))

    def from_campus(self, text: str) -> datetime:
        """`2026-06-08T10:35`, as a browser's field has it. Raises `ValueError`."""
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            return at.replace(tzinfo=campus_zone(self.site.university.utc_offset_minutes))
        try:
            return self.on_campus(at)
        except OverflowError:
            raise ValueError("it lies beyond the calendar") from None

    def campus_time(self, at: datetime) -> str:
        """`2026-06-08 10:35`, for a file."""
        return f"{self.on_campus(at):%Y-%m-%d %H:%M}"

    def local_time(self, at: datetime) -> LocalTime:
        offset = self.site.university.utc_offset_minutes
        return local_time(at, now=self.now, offset_minutes=offset, language=self.language)


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


def turn_of(progress: CheckProgress) -> Turn | None:
    """The department's while it looks into something, or no data says otherwise; none for a check that passes."""
    result = progress.result
    if result.state.passes:
        return None
    if result.state is CheckState.WAITING or (progress.command is not None and progress.command.under_way):
        return Turn.DEPARTMENT
    codes = {reason.code for reason in result.reasons}
    return Turn.DEPARTMENT if codes and codes <= progress.check.with_department else Turn.STUDENT


def unknown_sentence(texts: Texts, department: DepartmentManifest, code: str, phones: Sequence[str] = ()) -> str:
    """`code` is reserved: the department does not know, and whom to ask about it."""
    title = texts.of(department.title)
    contact = texts("contact.phones", department=title, phones=texts.joined(phones)) if phones else title
    return texts(f"waiting.{code}", department=title, contact=contact)


def phones_of(department: DepartmentManifest, check: CheckManifest | None) -> tuple[str, ...]:
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
        return unknown_sentence(texts, department, reason.code, phones_of(department, check))
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
