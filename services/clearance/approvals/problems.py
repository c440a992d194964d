"""Why a proposal or a decision was refused, as problem documents."""

from typing import Final

from services.clearance.approvals.actions import ActionRefused
from services.clearance.approvals.decisions import OwnProposal, ProposalEnded, UnknownProposal, UnknownStudent
from services.kit.http.problems import FieldProblem, Problem
from services.kit.http.requests.idempotency import KeyReused, key_reused

_LIST: Final = "GET /approvals lists the open ones."


def problem_of(error: Exception) -> Problem | None:
    """None for an error that is no refusal."""
    match error:
        case UnknownStudent():
            remedy = "Check the number, or put the student on the roster with PUT /cases."
            fault = FieldProblem(field="/student_id", problem="No case has this student number.", remedy=remedy)
            return Problem(404, "unknown-student", title="There is no such case", detail=remedy, errors=[fault])
        case UnknownProposal():
            return Problem(404, "unknown-proposal", title="There is no such proposal", detail=_LIST)
        case OwnProposal():
            detail = "Another person with the confirming role confirms or rejects it; it stays open until it expires."
            return Problem(403, "own-proposal", title="The proposer does not decide on the proposal", detail=detail)
        case ProposalEnded():
            state = error.proposal.state.value
            extensions = {"state": state}
            return Problem(409, "proposal-ended", title=f"The proposal is {state}", detail=_LIST, extensions=extensions)
        case KeyReused():
            return key_reused()
        case ActionRefused():
            errors = [FieldProblem(field=error.field, problem=error.title, remedy=error.remedy)] if error.field else ()
            return Problem(409, error.slug, title=error.title, detail=error.remedy or None, errors=errors)
    return None


def lacks_role(role: str) -> Problem:
    detail = f"This role is required: {role}. An administrator grants roles."
    return Problem(403, "forbidden", "This account lacks the role", detail=detail)
