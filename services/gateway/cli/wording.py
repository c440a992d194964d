"""What the commands about the installation print, for a person at a terminal."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console
from rich.markup import escape

from schemas.topics import Topics
from services.gateway.i18n.catalogue import catalogue
from services.gateway.shown.as_it_was import PageThen
from services.gateway.staff.operating.status import InstallationStatus, Problem
from services.gateway.staff.operating.student import Cause, Step

_NEWEST: Final = 10
_STYLES: Final = {"critical": "bold red", "warning": "yellow"}


def print_status(out: Console, found: InstallationStatus) -> None:
    states = ", ".join(f"{name} {state}" for name, state in found.states.items())
    if not found.states:
        out.print("LIXIAO_OPERATED names no service: there is nobody to ask.")
    elif not found.problems:
        out.print(f"Nothing is wrong. {len(found.states)} services answer.")
    else:
        count = len(found.problems)
        out.print(f"{count} {'thing is' if count == 1 else 'things are'} wrong ({escape(states)}).")
    for problem in found.problems:
        _print_problem(out, problem, found.at)


def print_keys(out: Console, keys: Iterable[str], search: str | None) -> None:
    for key in keys:
        out.print(
            f"traces     lixiao.subject={key}{'  ' + search.replace('{key}', key) if search else ''}", markup=False
        )


def print_steps(out: Console, steps: Iterable[Step], topics: Topics) -> None:
    texts = catalogue("en")
    for step in steps:
        out.print(f"\n[bold]{step.department}[/]  {texts('operator.finding_' + step.finding.replace('-', '_'))}")
        published, row = step.published, step.row
        if published is not None and published.status is not None:
            status = published.status
            unsent = f", {published.unsent} records unsent" if published.unsent else ""
            true = _at(status.occurred_at)
            out.print(f"  published  version {status.version}, true since {true}, {status.cause.code}{unsent}")
            for check in status.checks:
                out.print(f"             {check.check}: {check.verdict} {' '.join(one.code for one in check.reasons)}")
        if row is not None:
            record = f"{topics.status(step.department)} / {row.partition} / {row.offset}"
            out.print(f"  view       version {row.version}, from {record}, received {_at(row.received_at)}")
            if not row.readable:
                out.print(f"             a later record could not be read: offset {row.unreadable_offset}")
        for entry in published.entries[:_NEWEST] if published is not None else ():
            trace = f"  trace {entry.details['trace']}" if "trace" in entry.details else ""
            version = f"  version {entry.details['version']}" if "version" in entry.details else ""
            words = f"{entry.act} {entry.outcome}  {entry.actor}{version}{trace}"
            out.print(f"  {_at(entry.at)}  {escape(words)}")


def print_page(
    out: Console, at: datetime, page: PageThen | None, causes: Mapping[tuple[str, int], Cause], topics: Topics
) -> None:
    out.print(f"\n[bold]The page at {_at(at)}[/]")
    if page is None:
        out.print("  The student had not opened the page by then, or it is no longer kept.")
        return
    replaced = _at(page.replaced_at) if page.replaced_at else "not yet"
    out.print(f"  shown {_at(page.kept.since)} to {_at(page.shown_until)}, replaced {replaced}")
    for words in (*page.kept.document.headline, *page.kept.document.submission):
        out.print(f"  {escape(words)}")
    for one in page.lines:
        line = one.line
        out.print(f"  [bold]{escape(line.title)}: {escape(line.verdict)}[/]  since {_at(one.since)}")
        for words in (*line.words, *(f"{label} {value}" for label, value in line.facts)):
            out.print(f"    {escape(words)}")
        if line.version is not None and line.received_at is not None and line.occurred_at is not None:
            cause = causes.get((line.department, line.version))
            entry = cause.entry if cause else None
            by = f", {entry.act} by {entry.actor} at {_at(entry.at)}" if entry else ""
            trace = f", trace {entry.details['trace']}" if entry and "trace" in entry.details else ""
            true, received = _at(line.occurred_at), _at(line.received_at)
            words = f"version {line.version} ({line.cause}), true {true}, in the view {received}"
            out.print(f"    {escape(words + by + trace)}")
            if cause and cause.row:
                out.print(f"    {topics.status(line.department)} / {cause.row.partition} / {cause.row.offset}")
        if one.next_at is not None:
            out.print(f"    then {escape(one.next.verdict if one.next else 'no longer shown')}, {_at(one.next_at)}")


def _print_problem(out: Console, problem: Problem, now: datetime) -> None:
    out.print(
        f"\n[{_STYLES[problem.severity]}]{problem.severity.upper()}[/]  {escape(problem.words)}  ({problem.name})"
    )
    out.print(f"  since     {_since(problem.since, now)}")
    out.print(f"  students  {escape(problem.means)}")
    out.print(f"  do        {problem.runbook}")


def _since(since: datetime | None, now: datetime) -> str:
    if since is None:
        return "not known"
    return f"{_at(since)} ({timedelta(seconds=int((now - since).total_seconds()))} ago)"


def _at(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
