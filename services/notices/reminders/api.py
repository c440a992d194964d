"""Whom a reminder would reach and how it reads, and what became of one. Student ids are in bodies only."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import ChecksByDepartment
from services.kit.audit.log import READ, append_entry
from services.kit.http.access.auth import Principal, require
from services.kit.http.problems import problem_responses
from services.kit.message_format import LANGUAGES, Language
from services.kit.names import REMINDERS
from services.kit.operations import ItemBody, StudentQuery
from services.notices.news.channels import Channel
from services.notices.news.occasions import Kind
from services.notices.news.reminding import Judged, Outcome, subjects_of
from services.notices.news.summary import Item
from services.notices.news.wording import Words, mail_text, robot_text
from services.notices.settings import NoticeSettings
from services.notices.tables import reminders
from services.notices.tables.contacts import Contact

MAX_STUDENTS: Final = 2_000
MAX_MISSED: Final = 200
REACHED: Final = ("sent", "waiting")


class MeantStudent(StudentQuery):
    """`checks`: by department, which are open."""

    checks: Annotated[ChecksByDepartment, Field(min_length=1)]


class ReminderDraft(ItemBody):
    students: Annotated[tuple[MeantStudent, ...], Field(min_length=1, max_length=MAX_STUDENTS)]


class ReminderQuery(ItemBody):
    reminder_id: UUID


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class MailText(_Answer):
    subject: str
    body: str


class ReminderPreview(_Answer):
    """Counts of students. `lines`: of `department/check`, those reminded of it; `texts`: about the most usual lines."""

    channels: tuple[Channel, ...]
    """The configured ones: without any nobody is reached."""
    every_days: float
    outcomes: dict[Outcome, int]
    languages: dict[Language, int]
    lines: dict[str, int]
    texts: dict[Language, MailText]
    robots: dict[Language, str]
    """Empty unless a robot is configured."""


class Missed(_Answer):
    student_id: str
    result: str


class ReminderResult(_Answer):
    """`results`: `waiting`, `sent`, `failed`, or why it is not sent, by count. `missed`: not reached, the first."""

    known: int
    results: dict[str, int]
    missed: tuple[Missed, ...]


def reminders_router(pool: "asyncpg.Pool[Any]", words: Words, settings: NoticeSettings) -> APIRouter:
    """Role `reminders`."""
    Reader = Annotated[Principal, Depends(require(REMINDERS))]
    router = APIRouter(prefix="/reminders", tags=["reminders"], responses=problem_responses(401, 403, 422, 503))

    @router.post("/preview", summary="See whom a reminder would reach", operation_id="preview-reminder")
    async def preview(body: ReminderDraft, principal: Reader) -> ReminderPreview:
        """Counts, lines and the text, by language; nothing is sent, and nothing is stored but an audit entry."""
        meant = {one.student_id: subjects_of(one.checks.items()) for one in body.students}
        async with pool.acquire() as connection:
            await _audit(connection, principal, "reminder.preview", students=len(meant))
            now = datetime.now(UTC)
            people = await reminders.people_of(
                connection, tuple(meant), settings.channels, now, settings.remind_every_days
            )
        judged = reminders.judged_of(people, meant)
        return _preview(words, settings, judged, {one: contact for one, (_, contact) in people.items()})

    @router.post("/query", summary="See what became of a reminder", operation_id="query-reminder")
    async def query(body: ReminderQuery, principal: Reader) -> ReminderResult:
        """Of those the service has taken so far."""
        async with pool.acquire() as connection:
            await _audit(connection, principal, "reminder.query", reminder=body.reminder_id)
            results = await reminders.results(connection, body.reminder_id)
        missed = [Missed(student_id=one, result=result) for one, result in results.items() if result not in REACHED]
        return ReminderResult(
            known=len(results), results=dict(Counter(results.values())), missed=tuple(missed[:MAX_MISSED])
        )

    return router


async def _audit(connection: Any, principal: Principal, act: str, **details: Any) -> None:
    await append_entry(connection, actor=principal.name, act=act, outcome=READ, details=details)


def _preview(
    words: Words, settings: NoticeSettings, judged: Mapping[str, Judged], contacts: Mapping[str, Contact | None]
) -> ReminderPreview:
    taken = {one: judgement.subjects for one, judgement in judged.items() if judgement.outcome is Outcome.TAKEN}
    languages = Counter(contact.language for one in taken if (contact := contacts[one]) is not None)
    usual = max(Counter(taken.values()).items(), key=lambda each: each[1], default=((), 0))[0]
    robots = set(settings.channels) - {"mail"}
    return ReminderPreview(
        channels=settings.channels,
        every_days=settings.remind_every_days,
        outcomes=dict(Counter(judgement.outcome for judgement in judged.values())),
        languages=dict(languages),
        lines=dict(Counter(subject for subjects in taken.values() for subject in subjects)),
        texts={each: _mail(words, usual, each) for each in LANGUAGES} if usual else {},
        robots={each: robot_text(words, _items(usual), each) for each in LANGUAGES} if usual and robots else {},
    )


def _mail(words: Words, subjects: Sequence[str], language: Language) -> MailText:
    return MailText.model_validate(mail_text(words, _items(subjects), language))


def _items(subjects: Iterable[str]) -> list[Item]:
    return [Item(Kind.REMINDER, subject, None, (uuid4(),)) for subject in subjects]
