"""A checked form as the certificate desk sees it: one verdict to read in two seconds, and what it rests on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from schemas.events import TakenBy
from services.gateway.case.accepted_form import form_view
from services.gateway.case.checks import ViewContext, reason_words
from services.gateway.case.decision import CheckState
from services.gateway.case.student_info import student_info
from services.gateway.case.view_model import Field, FormView
from services.gateway.certificates.verification import GOOD, Finding, Judged
from services.gateway.i18n.formats import LocalTime, PhonePart, phone_parts
from services.gateway.read_model.types import CertificateIssue, IssuedCertificate, OpenException, SubmissionRecord


class Outcome(StrEnum):
    """How handing over ended, or why it was not asked for."""

    ISSUED = "issued"
    PENDING = "pending"
    ELSEWHERE = "elsewhere"
    """Another desk, or another click, was first."""
    NEW_EXCEPTION = "new-exception"
    PROXY_NAMELESS = "proxy-nameless"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class ExceptionView:
    department: str
    since: LocalTime
    reasons: tuple[str, ...]
    phones: tuple[PhonePart, ...]


@dataclass(frozen=True, slots=True)
class HandedLine:
    form_number: str
    name: str
    at: LocalTime
    by: str


@dataclass(frozen=True, slots=True)
class DeskPage:
    """`state` colours the verdict. `form` and `basics` are there for a genuine form only.

    `offered`: it can be handed over. `seen` names the open exceptions, so that one opened after this page is noticed.
    """

    state: CheckState
    verdict: str
    sentence: str
    form_number: str = ""
    form: FormView | None = None
    basics: tuple[Field, ...] = ()
    exceptions: tuple[ExceptionView, ...] = ()
    issued: str = ""
    offered: bool = False
    seen: str = ""
    command_id: str = ""
    error: str = ""
    pending: bool = False
    proxy: bool = False
    proxy_name: str = ""


def desk_page(
    showing: ViewContext,
    judged: Judged,
    registered: SubmissionRecord | None,
    *,
    command_id: UUID,
    outcome: Outcome | None = None,
    taken_by: TakenBy = TakenBy.SELF,
    proxy_name: str = "",
) -> DeskPage:
    """The page of one check. `outcome` is of the command `command_id`, when the button was pressed."""
    texts, finding = showing.texts, judged.finding
    key = finding.value.replace("-", "_")
    if finding not in GOOD or registered is None or judged.student is None:
        state = CheckState.WAITING if finding in (Finding.UNREADABLE, Finding.UNKNOWN) else CheckState.BLOCKED
        return DeskPage(state, texts(f"desk.{key}"), texts(f"desk.{key}_text"))
    exceptions = tuple(_exception(showing, one) for one in registered.exceptions)
    issue, pending = registered.issue, outcome is Outcome.PENDING
    state, verdict, sentence = CheckState.CLEAR, texts(f"desk.{key}"), texts(f"desk.{key}_text")
    if issue is not None:
        mine = outcome is Outcome.ISSUED
        state = CheckState.CLEAR if mine else CheckState.BLOCKED
        verdict = texts("desk.issued_now" if mine else "desk.issued_before")
        sentence = issue_words(showing, issue)
    elif pending:
        state, verdict, sentence = CheckState.WAITING, texts("desk.pending"), texts("desk.pending_text")
    elif exceptions:
        state, verdict = CheckState.BLOCKED, texts("desk.exception")
        sentence = texts("desk.exception_text", count=len(exceptions))
    error = f"desk.error_{outcome.value.replace('-', '_')}" if outcome in _ERRORS else ""
    return DeskPage(
        state=state,
        verdict=verdict,
        sentence=sentence,
        form_number=registered.record.form_number,
        form=form_view(showing, registered.submission, judged.student),
        basics=student_info(showing, judged.student),
        exceptions=exceptions,
        issued=issue_words(showing, issue) if issue else "",
        offered=issue is None and not pending,
        seen=seen(registered.exceptions),
        command_id=str(command_id),
        error=texts(error) if error else "",
        pending=pending,
        proxy=taken_by is TakenBy.PROXY,
        proxy_name=proxy_name,
    )


_ERRORS = frozenset({Outcome.NEW_EXCEPTION, Outcome.PROXY_NAMELESS, Outcome.UNCONFIRMED})


def handed_lines(showing: ViewContext, handed: Sequence[IssuedCertificate]) -> tuple[HandedLine, ...]:
    def line(one: IssuedCertificate) -> HandedLine:
        taken = _taken(showing, one.taken_by, one.proxy_name)
        return HandedLine(one.form_number, one.name, showing.moment(one.issued_at), taken)

    return tuple(line(one) for one in handed)


def issue_words(showing: ViewContext, issue: CertificateIssue) -> str:
    """Who handed over, when, and to whom."""
    taken = _taken(showing, issue.taken_by, issue.proxy_name)
    return showing.texts("desk.issue", at=showing.moment(issue.issued_at).exact, by=issue.issued_by, taken=taken)


def seen(exceptions: Sequence[OpenException]) -> str:
    """A short name of a set of open exceptions."""
    names = sorted(f"{one.department} {one.version}" for one in exceptions)
    return sha256("\n".join(names).encode()).hexdigest()[:16]


def _taken(showing: ViewContext, taken_by: TakenBy, proxy_name: str | None) -> str:
    if taken_by is TakenBy.PROXY:
        return showing.texts("desk.taken_proxy", name=proxy_name or "")
    return showing.texts("desk.taken_self")


def _exception(showing: ViewContext, one: OpenException) -> ExceptionView:
    since = showing.moment(one.opened_at)
    department = showing.house.departments.get(one.department)
    if department is None:
        return ExceptionView(one.department, since, (), ())
    codes = {reason.code for reason in one.reasons}
    checks = [check for check in department.checks if codes & check.reasons.keys()] or department.checks
    phones = dict.fromkeys(phone for check in checks for phone in check.phones)
    area = showing.house.university.area_code
    return ExceptionView(
        showing.texts.of(department.title),
        since,
        tuple(reason_words(showing.texts, department, reason) for reason in one.reasons),
        tuple(part for phone in phones for part in phone_parts(phone, area)),
    )
