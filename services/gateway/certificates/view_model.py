"""A verified form as the certificate desk sees it: one verdict to read in two seconds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import UUID

from schemas.events import DocumentSeal, TakenBy
from services.gateway.case.decision import CheckState
from services.gateway.case.student_info import student_info
from services.gateway.case.submission.accepted_form import form_view, void_sentence
from services.gateway.case.submission.exception_wording import exception_sentences, exception_source
from services.gateway.case.view_model import Field, FormView
from services.gateway.case.wording import ViewContext
from services.gateway.certificates.handover import Outcome, fingerprint
from services.gateway.certificates.verification import GOOD, Finding, VerificationResult
from services.gateway.i18n.formats import LocalTime, PhonePart
from services.gateway.read_model.types import (
    CertificateIssue,
    IssuedCertificate,
    OpenException,
    SubmissionRecord,
)

DeskState = CheckState | Literal["caution"]
CAUTION: Final[Literal["caution"]] = "caution"


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """`name` is what a clerk confirms; `confirmed`, whether the box is ticked."""

    name: str
    department: str
    since: LocalTime
    reasons: tuple[str, ...]
    phones: tuple[PhonePart, ...]
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class IssueView:
    """One hand-over of the form: `why` and `undone` are empty unless exceptions were confirmed, or it was undone."""

    sentence: str
    why: str = ""
    undone: str = ""


@dataclass(frozen=True, slots=True)
class HandoverLine:
    form_number: str
    name: str
    at: LocalTime
    by: str


@dataclass(frozen=True, slots=True)
class DeskPage:
    """`caution`: only the number was checked, so the paper has to be compared.

    `form` and `student` only for a genuine form. `seen`: see `fingerprint`. `pending`: issue, undo or empty.

    `undo_of` is the command of the hand-over that can be undone. `sealed`: of a pending one. `compared`: in words.
    """

    state: DeskState
    verdict: str
    sentence: str
    form_number: str = ""
    form: FormView | None = None
    student: tuple[Field, ...] = ()
    exceptions: tuple[ExceptionView, ...] = ()
    issues: tuple[IssueView, ...] = ()
    void: str = ""
    replaces: str = ""
    offered: bool = False
    undo_of: str = ""
    seen: str = ""
    command_id: str = ""
    error: str = ""
    pending: str = ""
    proxy: bool = False
    proxy_name: str = ""
    reason: str = ""
    sealed: DocumentSeal | None = None
    sealed_proof: str = ""
    comparable: bool = False
    compared: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    """The button that was pressed, and what came of it. `undo_of`: the hand-over, of an undo.

    `document` and its proof: as they were sent. `compared`: what a comparison of a document came to.
    """

    outcome: Outcome | None = None
    taken_by: TakenBy = TakenBy.SELF
    proxy_name: str = ""
    confirmed: frozenset[str] = frozenset()
    reason: str = ""
    undo_of: UUID | None = None
    document: DocumentSeal | None = None
    document_proof: str = ""
    compared: str = ""

    @property
    def pending(self) -> str:
        """As in `DeskPage`."""
        if self.outcome is not Outcome.PENDING:
            return ""
        return "undo" if self.undo_of else "issue"


NOT_PRESSED: Final = Pressed()


def desk_page(
    context: ViewContext,
    result: VerificationResult,
    record: SubmissionRecord | None,
    *,
    command_id: UUID,
    pressed: Pressed = NOT_PRESSED,
) -> DeskPage:
    """`command_id` is the pressed button's while it is pending, else of the next."""
    texts, finding = context.texts, result.finding
    key = finding.value.replace("-", "_")
    if finding not in GOOD or record is None or result.student is None:
        unknown = finding in (Finding.UNREADABLE, Finding.UNKNOWN)
        return DeskPage(
            CheckState.WAITING if unknown else CheckState.BLOCKED, texts(f"desk.{key}"), texts(f"desk.{key}_text")
        )
    issue, pending = record.issue, pressed.pending
    state, verdict, sentence = _verdict(context, finding, record, pressed)
    error = f"desk.error_{pressed.outcome.value.replace('-', '_')}" if pressed.outcome in _ERRORS else ""
    undo_of = pressed.undo_of if pending == "undo" else issue.command_id if issue and not pending else None
    return DeskPage(
        state=state,
        verdict=verdict,
        sentence=sentence,
        form_number=record.published.form_number,
        form=form_view(context, record.submission, result.student),
        student=student_info(context, result.student),
        exceptions=tuple(_exception(context, one, one.name in pressed.confirmed) for one in record.exceptions),
        issues=tuple(_issue(context, one) for one in record.issues),
        void=void_sentence(context, record.submission.void) if record.submission.void else "",
        replaces=record.submission.replaces,
        offered=issue is None and not pending and record.submission.void is None,
        undo_of=str(undo_of) if undo_of else "",
        seen=fingerprint(record.exceptions),
        command_id=str(command_id),
        error=texts(error) if error else "",
        pending=pending,
        proxy=pressed.taken_by is TakenBy.PROXY,
        proxy_name=pressed.proxy_name,
        reason=pressed.reason,
        sealed=pressed.document if pending == "issue" else None,
        sealed_proof=pressed.document_proof,
        comparable=issue is not None and issue.document is not None and not pending,
        compared=texts(f"desk.document_{pressed.compared.replace('-', '_')}") if pressed.compared else "",
    )


def _verdict(
    context: ViewContext, finding: Finding, record: SubmissionRecord, pressed: Pressed
) -> tuple[DeskState, str, str]:
    texts, issue, pending = context.texts, record.issue, pressed.pending
    if record.submission.void is not None:
        return CheckState.BLOCKED, texts("desk.void"), void_sentence(context, record.submission.void)
    if pending:
        return CheckState.WAITING, texts(f"desk.pending_{pending}"), texts(f"desk.pending_{pending}_text")
    if issue is not None:
        mine = pressed.outcome is Outcome.ISSUED
        state, key = (CheckState.CLEAR, "desk.issued_now") if mine else (CheckState.BLOCKED, "desk.issued_before")
        return state, texts(key), issue_sentence(context, issue)
    if record.exceptions:
        sentence = texts("desk.exception_text", count=len(record.exceptions))
        return CheckState.BLOCKED, texts("desk.exception"), sentence
    if pressed.outcome is Outcome.UNDONE:
        return CheckState.CLEAR, texts("desk.undone_now"), texts("desk.undone_now_text")
    key = finding.value.replace("-", "_")
    seen: DeskState = CheckState.CLEAR if finding is Finding.GENUINE else CAUTION
    return seen, texts(f"desk.{key}"), texts(f"desk.{key}_text")


def named(record: SubmissionRecord, names: Mapping[str, str]) -> SubmissionRecord:
    """With who handed over and who undid that by name, where an account has one."""
    return replace(record, issues=tuple(_named(one, names) for one in record.issues))


def accounts_of(record: SubmissionRecord) -> frozenset[str]:
    by = {one.issued_by for one in record.issues}
    return frozenset(by | {one.undo.undone_by for one in record.issues if one.undo is not None})


def _named(issue: CertificateIssue, names: Mapping[str, str]) -> CertificateIssue:
    undo = issue.undo and replace(issue.undo, undone_by=names.get(issue.undo.undone_by, issue.undo.undone_by))
    return replace(issue, issued_by=names.get(issue.issued_by, issue.issued_by), undo=undo)


_ERRORS: Final = frozenset(
    {
        Outcome.NEW_EXCEPTION,
        Outcome.PROXY_NAMELESS,
        Outcome.PROXY_UNDOCUMENTED,
        Outcome.DOCUMENT_MISTYPED,
        Outcome.UNCONFIRMED,
        Outcome.NO_REASON,
        Outcome.VOID,
        Outcome.NOT_STANDING,
    }
)


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


def _issue(context: ViewContext, issue: CertificateIssue) -> IssueView:
    why = undone = ""
    if issue.confirmed:
        why = context.texts("desk.issue_why", count=len(issue.confirmed), reason=issue.reason)
    if issue.undo is not None:
        at = context.local_time(issue.undo.undone_at).exact
        undone = context.texts("desk.undone", at=at, by=issue.undo.undone_by, reason=issue.undo.reason)
    return IssueView(issue_sentence(context, issue), why, undone)


def _exception(context: ViewContext, one: OpenException, confirmed: bool) -> ExceptionView:
    source, phones = exception_source(context, one)
    sentences = exception_sentences(context, one)
    return ExceptionView(one.name, source, context.local_time(one.opened_at), sentences, phones, confirmed)
