"""The accepted submission as the completed page and the print form show it: facts as attested, never as now. Pure."""

from schemas.events import Reason, StatusChanged, Verdict
from services.gateway.case.checks import ViewContext, check_view, group_view
from services.gateway.case.decision import CheckResult, CheckState
from services.gateway.case.student_info import student_info
from services.gateway.case.view_model import FormView, Group
from services.gateway.read_model.types import Attested, Case, ReceivedStatus, Submission
from services.kit.manifests import DepartmentManifest


def form_view(showing: ViewContext, submission: Submission, case: Case) -> FormView:
    """The form of `submission`. A department that attested nothing is not on it.

    The student is shown as the form was signed for; `case` is the roster's word of today.
    """
    groups = tuple(
        _group(showing, department, submission, submission.facts[department.name])
        for department in showing.house.departments.values()
        if department.name in submission.facts
    )
    return FormView(
        form_number=submission.form_number,
        accepted=showing.moment(submission.accepted_at),
        code=submission.code,
        qr_text=submission.qr_text,
        basics=student_info(showing, submission.student or case),
        groups=groups,
        exceptions=submission.exception_count,
        issued=showing.moment(submission.issued_at) if submission.issued_at else None,
    )


def _group(showing: ViewContext, department: DepartmentManifest, submission: Submission, attested: Attested) -> Group:
    at = attested.attested_at or submission.accepted_at
    status = StatusChanged.model_construct(
        student_id="",
        department=department.name,
        version=attested.version,
        occurred_at=at,
        cause=Reason(code="attested"),
        checks=attested.checks,
    )
    heard = ReceivedStatus(status, heard_at=at, readable=True, alive_as_of=showing.now)
    lines = tuple(
        check_view(
            showing, department, check, _state(department, check.name, attested), heard, None, commands_open=False
        )
        for check in department.checks
    )
    return group_view(showing.texts, department, lines)


def _state(department: DepartmentManifest, check: str, attested: Attested) -> CheckResult:
    said = next((one for one in attested.checks if one.check == check), None)
    clear = said is not None and said.verdict is Verdict.CLEAR
    return CheckResult(department.name, check, CheckState.CLEAR if clear else CheckState.WAITING)
