"""The information page from what was read: case, heard rows, manifests, commands, language and now → page model. Pure.

The verdicts are `decide`'s; nothing here turns an unknown into a pass.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from schemas.events import CaseState
from services.gateway.case.accepted_form import form_view
from services.gateway.case.checks import ViewContext, check_view, group_view
from services.gateway.case.decision import CheckResult, CheckState, Decision, WaitingReason, decide
from services.gateway.case.student_info import student_info
from services.gateway.case.submit_panel import round_open, submit_view
from services.gateway.case.view_model import CasePage, CheckView, FormView, Group, SubmitView, Summary
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import date_words
from services.gateway.read_model.types import SUBMIT, Case, Command, ReadModelUnavailable, StudentSnapshot
from services.gateway.university import Site
from services.kit.manifests import required_checks


def decision_of(reading: StudentSnapshot, house: Site, now: datetime) -> Decision:
    """Every required check with its state now. A word that cannot be read is said as such."""
    stale_before = now - timedelta(seconds=house.freshness_bound_s)
    decision = decide(reading.heard, required_checks(house.departments), stale_before=stale_before)
    if not reading.illegible:
        return decision
    return Decision(
        tuple(
            CheckResult(check.department, check.check, CheckState.WAITING, WaitingReason.UNREADABLE)
            if check.department in reading.illegible
            else check
            for check in decision.checks
        )
    )


def present(
    reading: StudentSnapshot | ReadModelUnavailable,
    commands: Sequence[Command],
    *,
    house: Site,
    texts: Texts,
    now: datetime,
) -> CasePage:
    """The page of one student. `commands` are the newest of each name. `Unread` gives a page on which all is grey."""
    showing = ViewContext(house, texts, now)
    if isinstance(reading, ReadModelUnavailable):
        return _away(replace(showing, away=True), reading)
    if reading.case is None or reading.case.state is CaseState.CLOSED:
        return _without_case(showing, "absent", reading.case)
    if reading.case.state is CaseState.NOT_SERVED:
        return _without_case(showing, "not-served", reading.case)
    done = reading.submission is not None or reading.case.state is CaseState.COMPLETED
    submit_command = _newest(commands, "", SUBMIT)
    asked = not done and round_open(submit_command, reading.attempt)
    decision = decision_of(reading, house, now)
    groups = _groups(showing, reading, decision, commands, commands_open=not done and not asked)
    lines = tuple(one for group in groups for one in group.lines)
    form = form_view(showing, reading.submission, reading.case) if reading.submission else None
    return CasePage(
        standing="completed" if done else "open",
        basics=student_info(showing, reading.case),
        applied_on=date_words(reading.case.opened_on, showing.language) if reading.case.opened_on else "",
        summary=_summary(showing, lines, done=done, asked=asked, form=form),
        groups=groups,
        submit=submit_view(showing, reading, lines, submit_command, done=done, asked=asked),
        form=form,
        now=now,
    )


def _groups(
    showing: ViewContext,
    reading: StudentSnapshot,
    decision: Decision,
    commands: Sequence[Command],
    *,
    commands_open: bool,
) -> tuple[Group, ...]:
    states = {(check.department, check.check): check for check in decision.checks}
    groups = []
    for department in showing.house.departments.values():
        heard = reading.heard.get(department.name)
        lines = tuple(
            check_view(
                showing,
                department,
                check,
                states[department.name, check.name],
                heard,
                _newest(commands, department.name, check.command.name) if check.command else None,
                commands_open=commands_open,
            )
            for check in department.checks
        )
        groups.append(group_view(showing.texts, department, lines))
    return tuple(groups)


def _summary(
    showing: ViewContext, lines: Sequence[CheckView], *, done: bool, asked: bool, form: FormView | None
) -> Summary:
    texts = showing.texts
    if done:
        number, university = form.form_number if form else "", showing.house.university
        sentence = texts("summary.done", number=number) if number else texts("summary.done_no_form")
        return Summary("done", sentence, texts("summary.done_next", form=texts.of(university.form_title)), ())
    if asked:
        return Summary("waiting", texts("summary.asked"), texts("summary.asked_next"), ())
    open_lines = [one for one in lines if one.state is not CheckState.CLEAR]
    if not open_lines:
        return Summary("clear", texts("summary.clear", count=len(lines)), texts("summary.clear_next"), ())
    blocked = [one for one in open_lines if one.state is CheckState.BLOCKED]
    # What the student has asked for already is no step of theirs.
    to_do = [one for one in blocked if not (one.command and one.command.waiting)]
    first = (to_do or blocked or open_lines)[0]
    passed = len(lines) - len(open_lines)
    key = "summary.open" if passed else "summary.none_passed"
    if not blocked:
        key = "summary.waiting" if passed else "summary.all_waiting"
    sentence = texts(key, passed=passed, open=len(open_lines))
    step = first.todo[0] if first.todo else ""
    next_step = texts("summary.next" if to_do else "summary.next_waiting", step=step)
    tone = "blocked" if blocked else "waiting"
    return Summary(tone, sentence, next_step, tuple((one.anchor, one.title) for one in open_lines))


def _away(showing: ViewContext, unread: ReadModelUnavailable) -> CasePage:
    """Nothing can be read: every check waits, none passes, and the page says since when and whom to ask."""
    texts = showing.texts
    reading = StudentSnapshot(None)
    decision = decision_of(reading, showing.house, showing.now)
    groups = _groups(showing, reading, decision, (), commands_open=False)
    since = showing.moment(unread.since)
    summary = Summary("waiting", texts("summary.away", since=since.words), texts("summary.away_next"), ())
    return CasePage("away", (), "", summary, groups, SubmitView("away", texts("submit.away")), None, showing.now, since)


def _without_case(showing: ViewContext, standing: str, case: Case | None) -> CasePage:
    key = standing.replace("-", "_")
    summary = Summary("waiting", showing.texts(f"{key}.sentence"), showing.texts(f"{key}.next"), ())
    known = student_info(showing, case) if case else ()
    return CasePage(standing, known, "", summary, (), SubmitView("away", ""), None, showing.now)


def _newest(commands: Sequence[Command], department: str, name: str) -> Command | None:
    fitting = [each for each in commands if each.department == department and each.name == name]
    return max(fitting, key=lambda each: each.asked_at, default=None)
