"""The form's view: facts as attested, not as they are now. Pure."""

from schemas.events import Reason, Verdict
from services.gateway.case.checks import check_view, group_view
from services.gateway.case.decision import CheckResult, CheckState
from services.gateway.case.progress import CheckProgress
from services.gateway.case.student_info import student_info
from services.gateway.case.submission.exception_wording import later_matter
from services.gateway.case.view_model import FormView, Group
from services.gateway.case.wording import ViewContext
from services.gateway.read_model.types import Attested, Case, FormVoid, KnownStatus, ReceivedStatus, Submission
from services.kit.manifests import CheckManifest, DepartmentManifest
from services.kit.rules.waivers import Waiver


def form_view(context: ViewContext, submission: Submission, case: Case) -> FormView:
    """`case` stands in when the student as signed cannot be read."""
    waived = {waiver.department for waiver in submission.waivers}
    groups = tuple(
        _group(context, department, submission, submission.facts.get(department.name))
        for department in context.site.departments.values()
        if department.name in submission.facts or department.name in waived
    )
    return FormView(
        form_number=submission.form_number,
        accepted=context.local_time(submission.accepted_at),
        code=submission.code,
        qr_text=submission.qr_text,
        student=student_info(context, submission.student or case),
        groups=tuple(group for group in groups if group.lines),
        exceptions=tuple(later_matter(context, one) for one in submission.exceptions),
        issued=context.local_time(submission.issued_at) if submission.issued_at else None,
        void=void_sentence(context, submission.void) if submission.void else "",
        replaces=submission.replaces,
    )


def void_sentence(context: ViewContext, void: FormVoid) -> str:
    at = context.local_time(void.voided_at).exact
    if void.replaced_by:
        return context.texts("form.void_replaced", at=at, reason=void.reason, number=void.replaced_by)
    return context.texts("form.void", at=at, reason=void.reason)


def _group(
    context: ViewContext, department: DepartmentManifest, submission: Submission, attested: Attested | None
) -> Group:
    """Of the checks that there were then. Without `attested`, all of them were waived and it was not asked."""
    received = _received(context, department, submission, attested) if attested else None
    waivers = {waiver.key: waiver for waiver in submission.waivers}
    found = ((check, waivers.get((department.name, check.name))) for check in department.checks)
    views = tuple(
        check_view(context, _progress(department, check, received, waiver))
        for check, waiver in found
        if waiver or (received and received.check(check.name))
    )
    return group_view(context.texts, department, views)


def _received(
    context: ViewContext, department: DepartmentManifest, submission: Submission, attested: Attested
) -> ReceivedStatus:
    at = attested.attested_at or submission.accepted_at
    status = KnownStatus(
        student_id="",
        department=department.name,
        version=attested.version,
        occurred_at=at,
        cause=Reason(code="attested"),
        checks=attested.checks,
    )
    return ReceivedStatus(status, received_at=at, readable=True, alive_as_of=context.now)


def _progress(
    department: DepartmentManifest, check: CheckManifest, received: ReceivedStatus | None, waiver: Waiver | None
) -> CheckProgress:
    attested = received.check(check.name) if received else None
    clear = attested is not None and attested.verdict is Verdict.CLEAR
    state = CheckState.WAIVED if waiver else CheckState.CLEAR if clear else CheckState.WAITING
    result = CheckResult(department.name, check.name, state)
    return CheckProgress(department, check, result, received, waiver=waiver)
