"""Early refusal of submissions and commands; the clearance or department decides. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.gateway.case.progress import CaseProgress, CheckProgress, Standing
from services.gateway.case.submission.submission_round import SubmissionState
from services.gateway.read_model.types import Command
from services.kit.manifests import DepartmentManifest


class Obstacle(StrEnum):
    """Also the API's problem types."""

    ALREADY_SUBMITTED = "already-submitted"
    OPEN_ITEMS = "open-items"
    NO_OPEN_CASE = "no-open-case"
    NO_SUCH_COMMAND = "no-such-command"
    NOT_OFFERED = "not-offered"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Eligibility:
    """`already_requested`: an earlier request, `earlier` if made here, is open or was accepted."""

    obstacle: Obstacle | None = None
    already_requested: bool = False
    earlier: Command | None = None
    command: str = ""
    check: CheckProgress | None = None
    open_checks: tuple[CheckProgress, ...] = ()

    @property
    def possible(self) -> bool:
        return self.obstacle is None

    @property
    def in_the_way(self) -> tuple[CheckProgress, ...]:
        """What to settle first: the open checks of a submission, a command's own check."""
        if self.open_checks or self.check is None or self.check.result.state.passes:
            return self.open_checks
        return (self.check,)


def submission_eligibility(progress: CaseProgress) -> Eligibility:
    state = progress.submission.state
    if state is SubmissionState.READY:
        return Eligibility()
    if state in (SubmissionState.ASKED, SubmissionState.DONE):
        return Eligibility(Obstacle.ALREADY_SUBMITTED, True, progress.submission.command)
    if state is SubmissionState.OPEN_ITEMS:
        return Eligibility(Obstacle.OPEN_ITEMS, open_checks=progress.open_checks)
    return Eligibility(_no_case(progress))


def command_eligibility(
    progress: CaseProgress, departments: Mapping[str, DepartmentManifest], department: str, command: str
) -> Eligibility:
    manifest = departments.get(department)
    if manifest is None or command not in {check.command.name for check in manifest.checks if check.command}:
        return Eligibility(Obstacle.NO_SUCH_COMMAND, command=command)
    check = next((one for one in progress.checks if _has_command(one, department, command)), None)
    if check is None or check.command is None:
        return Eligibility(_no_case(progress), command=command)
    if check.command.offered:
        return Eligibility(None, command=command, check=check)
    obstacle = Obstacle.UNREADABLE if progress.standing is Standing.UNAVAILABLE else Obstacle.NOT_OFFERED
    return Eligibility(obstacle, check.command.under_way, check.command.last, command=command, check=check)


def _has_command(progress: CheckProgress, department: str, command: str) -> bool:
    offer = progress.check.command
    return progress.department.name == department and offer is not None and offer.name == command


def _no_case(progress: CaseProgress) -> Obstacle:
    return Obstacle.UNREADABLE if progress.standing is Standing.UNAVAILABLE else Obstacle.NO_OPEN_CASE
