"""How far a student's case is, in no language; presenters put it into words. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from schemas.events import CaseState, CheckStatus
from services.gateway.case.command_offer import CommandOffer, CommandProgress, command_progress
from services.gateway.case.decision import CheckResult, CheckState, WaitingReason, decide
from services.gateway.case.submission.submission_round import (
    SubmissionProgress,
    SubmissionState,
    answers_so_far,
    last_refusal,
    round_open,
    since_last_form,
)
from services.gateway.i18n.formats import local_day
from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.types import (
    SUBMIT,
    Case,
    Command,
    ReadModelUnavailable,
    ReceivedStatus,
    StudentSnapshot,
    Submission,
)
from services.gateway.university import Site
from services.kit.manifests import CheckManifest, DepartmentManifest, required_checks
from services.kit.rules.waivers import CheckKey, Waiver


class Standing(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    NOT_SERVED = "not-served"
    ABSENT = "absent"
    """Not on the roster, or taken off it."""
    UNAVAILABLE = "unavailable"


class CheckProgress(msgspec.Struct, frozen=True):
    department: DepartmentManifest
    check: CheckManifest
    result: CheckResult
    received: ReceivedStatus | None = None
    command: CommandProgress | None = None
    aged: bool = False
    """The department's newest alive mark is missing or older than the freshness bound."""
    waiver: Waiver | None = None
    former_number: str = ""
    """It is about a former number of the person, the `ordinal`-th."""
    ordinal: int = 0
    comment: LineComment | None = None
    """The student's newest about it."""

    @property
    def reported(self) -> CheckStatus | None:
        return self.received.check(self.check.name) if self.received else None

    @property
    def anchor(self) -> str:
        former = f"former-{self.ordinal}-" if self.ordinal else ""
        return f"{former}{self.department.name}-{self.check.name}"


@dataclass(frozen=True, slots=True)
class CaseProgress:
    """At `now`. `checks` are empty without a case to work on."""

    standing: Standing
    now: datetime
    submission: SubmissionProgress
    case: Case | None = None
    checks: tuple[CheckProgress, ...] = ()
    accepted: Submission | None = None
    """The form that stands in this case."""
    unavailable_since: datetime | None = None
    forms: tuple[Submission, ...] = ()
    """Every form, void ones and those of earlier cases too, oldest first."""

    @property
    def open_checks(self) -> tuple[CheckProgress, ...]:
        return tuple(one for one in self.checks if not one.result.state.passes)


def case_progress(
    snapshot: StudentSnapshot | ReadModelUnavailable,
    commands: Sequence[Command],
    site: Site,
    now: datetime,
    comments: Sequence[LineComment] = (),
) -> CaseProgress:
    """`commands`: the newest of each name. `comments`: the newest about each check."""
    unavailable = SubmissionProgress(SubmissionState.UNAVAILABLE)
    if isinstance(snapshot, ReadModelUnavailable):
        return CaseProgress(
            Standing.UNAVAILABLE, now, unavailable, None, _unknown_checks(site), unavailable_since=snapshot.since
        )
    case = snapshot.case
    if case is None or case.state is CaseState.CLOSED:
        return CaseProgress(Standing.ABSENT, now, unavailable, case, forms=snapshot.forms)
    if case.state is CaseState.NOT_SERVED:
        return CaseProgress(Standing.NOT_SERVED, now, unavailable, case, forms=snapshot.forms)
    done = snapshot.submission is not None or case.state is CaseState.COMPLETED
    submit = _newest(commands, "", SUBMIT)
    attempt = snapshot.attempt
    if not done:
        submit, attempt = since_last_form(submit, attempt, snapshot.forms)
    submitted = not done and round_open(submit, attempt)
    checks = _checks(
        snapshot, () if done or submitted else commands, site, now, comments, commands_open=not done and not submitted
    )
    if not done:
        checks += _former_checks(snapshot, site, now)
    if done:
        submission = SubmissionProgress(SubmissionState.DONE, submit)
    elif submitted:
        submission = SubmissionProgress(SubmissionState.ASKED, submit, answers_so_far(submit, attempt))
    else:
        clear = all(one.result.state.passes for one in checks)
        state = SubmissionState.READY if clear else SubmissionState.OPEN_ITEMS
        submission = SubmissionProgress(state, submit, refusal=last_refusal(submit, attempt))
    standing = Standing.COMPLETED if done else Standing.OPEN
    return CaseProgress(standing, now, submission, case, checks, snapshot.submission, forms=snapshot.forms)


def _checks(
    snapshot: StudentSnapshot,
    commands: Sequence[Command],
    site: Site,
    now: datetime,
    comments: Sequence[LineComment] = (),
    *,
    commands_open: bool,
    number: str = "",
    ordinal: int = 0,
) -> tuple[CheckProgress, ...]:
    """`number`: the former one that the snapshot is of, the `ordinal`-th."""
    silent_before = stale_before(site, now)
    required = required_checks(site.departments)
    waivers = current_waivers(snapshot, site)
    decision = decide(
        snapshot.statuses, required, stale_before=silent_before, unreadable=snapshot.unreadable, waived=waivers
    )
    checks = []
    for result in decision.checks:
        department = site.departments[result.department]
        check = site.checks[result.department, result.check]
        received = snapshot.statuses.get(department.name)
        command = None
        if check.command is not None:
            last = _newest(commands, department.name, check.command.name)
            command = command_progress(check, received, last) if commands_open else CommandProgress(CommandOffer.CLOSED)
        aged = received is not None and (received.alive_as_of is None or received.alive_as_of < silent_before)
        waiver = waivers.get((result.department, result.check))
        comment = _comment(comments, result.department, result.check) if comments else None
        checks.append(
            CheckProgress(department, check, result, received, command, aged, waiver, number, ordinal, comment)
        )
    return tuple(checks)


def _former_checks(snapshot: StudentSnapshot, site: Site, now: datetime) -> tuple[CheckProgress, ...]:
    """What is in the way under a former number: what passes there is not shown."""
    return tuple(
        one
        for ordinal, (number, former) in enumerate(snapshot.former, start=1)
        for one in _checks(former, (), site, now, commands_open=False, number=number, ordinal=ordinal)
        if not one.result.state.passes
    )


def stale_before(site: Site, now: datetime) -> datetime:
    """A department whose newest alive mark is older is silent."""
    return now - timedelta(seconds=site.freshness_bound_s)


def clock_input(site: Site, alive_marks: Iterable[datetime | None], now: datetime) -> tuple[Any, ...]:
    """All that a case's answers take from the clock: the day on campus, and which departments are silent."""
    bound = stale_before(site, now)
    silent = tuple(mark if mark is None or mark < bound else "heard" for mark in alive_marks)
    return local_day(now, site.university.utc_offset_minutes), silent


def current_waivers(snapshot: StudentSnapshot, site: Site) -> dict[CheckKey, Waiver]:
    """By rule and by exemption; of an accepted submission those that it was accepted with."""
    if snapshot.submission is not None:
        return {waiver.key: waiver for waiver in snapshot.submission.waivers}
    made = {waiver.key: waiver for waiver in snapshot.waivers.exemptions}
    return {**site.policy.waived_by_rule(snapshot.waivers.attributes), **made}


def _unknown_checks(site: Site) -> tuple[CheckProgress, ...]:
    return tuple(
        CheckProgress(
            department,
            check,
            CheckResult(department.name, check.name, CheckState.WAITING, WaitingReason.UNAVAILABLE),
            command=CommandProgress(CommandOffer.CLOSED) if check.command else None,
        )
        for department in site.departments.values()
        for check in department.checks
    )


def _comment(comments: Sequence[LineComment], department: str, check: str) -> LineComment | None:
    return next((one for one in comments if (one.department, one.check) == (department, check)), None)


def _newest(commands: Sequence[Command], department: str, name: str) -> Command | None:
    fitting = [one for one in commands if (one.department, one.name) == (department, name)]
    return max(fitting, key=lambda one: one.asked_at, default=None)
