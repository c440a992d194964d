"""The form's view: facts as attested, not as they are now. Pure."""

from schemas.events import Reason, StatusChanged, Verdict
from services.gateway.case.checks import check_view, group_view
from services.gateway.case.decision import CheckResult, CheckState
from services.gateway.case.progress import CheckProgress
from services.gateway.case.student_info import student_info
from services.gateway.case.view_model import FormView, Group
from services.gateway.case.wording import ViewContext
from services.gateway.read_model.types import Attested, Case, ReceivedStatus, Submission
from services.kit.manifests import DepartmentManifest


def form_view(context: ViewContext, submission: Submission, case: Case) -> FormView:
    """`case` stands in when the student as signed cannot be read."""
    groups = tuple(
        _group(context, department, submission, submission.facts[department.name])
        for department in context.site.departments.values()
        if department.name in submission.facts
    )
    return FormView(
        form_number=submission.form_number,
        accepted=context.local_time(submission.accepted_at),
        code=submission.code,
        qr_text=submission.qr_text,
        student=student_info(context, submission.student or case),
        groups=groups,
        exceptions=submission.exception_count,
        issued=context.local_time(submission.issued_at) if submission.issued_at else None,
    )


def _group(context: ViewContext, department: DepartmentManifest, submission: Submission, attested: Attested) -> Group:
    at = attested.attested_at or submission.accepted_at
    status = StatusChanged.model_construct(
        student_id="",
        department=department.name,
        version=attested.version,
        occurred_at=at,
        cause=Reason(code="attested"),
        checks=attested.checks,
    )
    received = ReceivedStatus(status, received_at=at, readable=True, alive_as_of=context.now)
    views = tuple(
        check_view(context, CheckProgress(department, check, _result(department, check.name, received), received))
        for check in department.checks
    )
    return group_view(context.texts, department, views)


def _result(department: DepartmentManifest, check: str, received: ReceivedStatus) -> CheckResult:
    attested = received.check(check)
    clear = attested is not None and attested.verdict is Verdict.CLEAR
    return CheckResult(department.name, check, CheckState.CLEAR if clear else CheckState.WAITING)
