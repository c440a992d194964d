"""Rows of a work list, and what it is filtered by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.events import NO_DATA, OPEN_QUESTION, UNKNOWN_REASONS
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import LocalTime
from services.gateway.staff.desk.operation_form import label_of
from services.gateway.staff.lists.work_list import OpenStudent
from services.gateway.staff.waiting import waiting_since
from services.kit.manifests import DepartmentManifest


@dataclass(frozen=True, slots=True)
class StudentLine:
    student_id: str
    name: str
    college: str
    cohort: str
    reasons: tuple[str, ...]
    since: LocalTime
    days: int
    comment: str = ""
    """Since when a comment waits for its answer."""


def student_lines(
    context: ViewContext,
    department: DepartmentManifest,
    students: Sequence[OpenStudent],
    commented: Mapping[str, datetime],
) -> tuple[StudentLine, ...]:
    return tuple(
        StudentLine(
            one.student_id,
            one.name,
            one.college,
            one.cohort,
            reason_words(context.texts, department, one.codes),
            context.local_time(one.since),
            (context.now - one.since).days,
            _waits(context, commented.get(one.student_id)),
        )
        for one in students
    )


def _waits(context: ViewContext, since: datetime | None) -> str:
    if since is None:
        return ""
    return context.texts("staff.comment_tag", since=waiting_since(context, since))


def reason_words(texts: Texts, department: DepartmentManifest, codes: Sequence[str]) -> tuple[str, ...]:
    """Short, once each."""
    return tuple(dict.fromkeys(_reason(texts, department, *one.partition(":")[::2]) for one in codes))


def reason_options(texts: Texts, department: DepartmentManifest) -> tuple[tuple[str, str], ...]:
    """`check:code` and its words, of every reason that the department may have."""
    several = len(department.checks) > 1
    options = []
    for check in department.checks:
        for code in (*check.reasons, NO_DATA, OPEN_QUESTION):
            words = _reason(texts, department, check.name, code)
            if several and code in UNKNOWN_REASONS:
                words = f"{texts.of(check.title)} · {words}"
            options.append((f"{check.name}:{code}", words))
    return tuple(options)


def _reason(texts: Texts, department: DepartmentManifest, check: str, code: str) -> str:
    if code in UNKNOWN_REASONS:
        return texts(f"staff.reason_{code.replace('-', '_')}")
    if code:
        return label_of(texts, department, code)
    return next((texts.of(one.title) for one in department.checks if one.name == check), check)
