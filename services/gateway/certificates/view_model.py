"""A verified form as the certificate desk sees it: one verdict to read in two seconds. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.events import UNKNOWN_REASONS, Reason, TakenBy
from services.gateway.case.accepted_form import form_view
from services.gateway.case.decision import CheckState
from services.gateway.case.student_info import student_info
from services.gateway.case.view_model import Field, FormView
from services.gateway.case.wording import ViewContext, reason_sentence
from services.gateway.certificates.handover import Outcome, fingerprint
from services.gateway.certificates.verification import GOOD, Finding, VerificationResult
from services.gateway.i18n.formats import LocalTime, PhonePart, phone_parts
from services.gateway.read_model.types import CertificateIssue, IssuedCertificate, OpenException, SubmissionRecord
from services.kit.manifests import DepartmentManifest


@dataclass(frozen=True, slots=True)
class ExceptionView:
    department: str
    since: LocalTime
    reasons: tuple[str, ...]
    phones: tuple[PhonePart, ...]


@dataclass(frozen=True, slots=True)
class HandoverLine:
    form_number: str
    name: str
    at: LocalTime
    by: str


@dataclass(frozen=True, slots=True)
class DeskPage:
    """`form` and `student` only for a genuine form. `seen`: see `fingerprint`."""

    state: CheckState
    verdict: str
    sentence: str
    form_number: str = ""
    form: FormView | None = None
    student: tuple[Field, ...] = ()
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
    context: ViewContext,
    result: VerificationResult,
    record: SubmissionRecord | None,
    *,
    command_id: UUID,
    outcome: Outcome | None = None,
    taken_by: TakenBy = TakenBy.SELF,
    proxy_name: str = "",
) -> DeskPage:
    """`outcome` is of `command_id`, when the button was pressed."""
    texts, finding = context.texts, result.finding
    key = finding.value.replace("-", "_")
    if finding not in GOOD or record is None or result.student is None:
        state = CheckState.WAITING if finding in (Finding.UNREADABLE, Finding.UNKNOWN) else CheckState.BLOCKED
        return DeskPage(state, texts(f"desk.{key}"), texts(f"desk.{key}_text"))
    exceptions = tuple(_exception(context, one) for one in record.exceptions)
    issue, pending = record.issue, outcome is Outcome.PENDING
    state, verdict, sentence = CheckState.CLEAR, texts(f"desk.{key}"), texts(f"desk.{key}_text")
    if issue is not None:
        mine = outcome is Outcome.ISSUED
        state = CheckState.CLEAR if mine else CheckState.BLOCKED
        verdict = texts("desk.issued_now" if mine else "desk.issued_before")
        sentence = issue_sentence(context, issue)
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
        form_number=record.published.form_number,
        form=form_view(context, record.submission, result.student),
        student=student_info(context, result.student),
        exceptions=exceptions,
        issued=issue_sentence(context, issue) if issue else "",
        offered=issue is None and not pending,
        seen=fingerprint(record.exceptions),
        command_id=str(command_id),
        error=texts(error) if error else "",
        pending=pending,
        proxy=taken_by is TakenBy.PROXY,
        proxy_name=proxy_name,
    )


_ERRORS = frozenset({Outcome.NEW_EXCEPTION, Outcome.PROXY_NAMELESS, Outcome.UNCONFIRMED})


def handover_lines(context: ViewContext, handed: Sequence[IssuedCertificate]) -> tuple[HandoverLine, ...]:
    def line(one: IssuedCertificate) -> HandoverLine:
        taken = _taken(context, one.taken_by, one.proxy_name)
        return HandoverLine(one.form_number, one.name, context.local_time(one.issued_at), taken)

    return tuple(line(one) for one in handed)


def issue_sentence(context: ViewContext, issue: CertificateIssue) -> str:
    taken = _taken(context, issue.taken_by, issue.proxy_name)
    return context.texts("desk.issue", at=context.local_time(issue.issued_at).exact, by=issue.issued_by, taken=taken)


def _taken(context: ViewContext, taken_by: TakenBy, proxy_name: str | None) -> str:
    if taken_by is TakenBy.PROXY:
        return context.texts("desk.taken_proxy", name=proxy_name or "")
    return context.texts("desk.taken_self")


def _exception(context: ViewContext, one: OpenException) -> ExceptionView:
    since = context.local_time(one.opened_at)
    department = context.site.departments.get(one.department)
    if department is None:
        return ExceptionView(one.department, since, (), ())
    codes = {reason.code for reason in one.reasons}
    checks = [check for check in department.checks if codes & check.reasons.keys()]
    if not checks or codes & UNKNOWN_REASONS:
        checks = list(department.checks)
    phones = dict.fromkeys(phone for check in checks for phone in check.phones)
    area = context.site.university.area_code
    return ExceptionView(
        context.texts.of(department.title),
        since,
        tuple(_reason(context, department, reason) for reason in one.reasons),
        tuple(part for phone in phones for part in phone_parts(phone, area)),
    )


def _reason(context: ViewContext, department: DepartmentManifest, reason: Reason) -> str:
    """For the clerk: the page's words on a reserved code speak to the student."""
    if reason.code in UNKNOWN_REASONS:
        return context.texts(f"desk.{reason.code}", department=context.texts.of(department.title))
    return reason_sentence(context.texts, department, reason)
