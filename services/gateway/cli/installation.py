"""Commands about the whole installation: what is wrong, and what became of a student's status.

They ask what the operator's pages ask, with the gateway's own settings, and need no running gateway.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console

from services.gateway.cli.wording import print_keys, print_page, print_status, print_steps
from services.gateway.outgoing import outgoing_client
from services.gateway.settings import GatewaySettings
from services.gateway.shown.as_it_was import page_at
from services.gateway.shown.table import ShownHistory
from services.gateway.staff.operating.client import OperatedServices
from services.gateway.staff.operating.reader import OperatingReader
from services.gateway.staff.operating.status import status_of
from services.gateway.staff.operating.student import Step, causes_of, steps_of
from services.gateway.tables.staff_audit import StaffAudit
from services.kit.audit.log import command_line_actor
from services.kit.manifests import discover
from services.kit.names import OPERATOR
from services.kit.observability.subjects import searched_keys
from services.kit.postgres.pool import DATABASE_ERRORS, open_pool
from services.kit.settings import load
from services.kit.student_numbers import student_number, use_number_form

_WRONG: Final = 1
_NOT_ASKED: Final = 2
_DAY: Final = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"]
AsJson = Annotated[bool, typer.Option("--json", help="For a program.")]
_out = Console(soft_wrap=True, highlight=False)
_err = Console(stderr=True, soft_wrap=True, highlight=False)


def status(as_json: AsJson = False) -> None:
    """Say what is wrong now, since when, what it means for students, and which runbook says what to do.

    Exits with 0 if nothing is, with 1 if something is, with 2 if no service of LIXIAO_OPERATED could be asked.
    """
    settings = load(GatewaySettings)

    async def ask() -> Any:
        async with outgoing_client(settings) as http:
            services = OperatedServices(http, settings.operated)
            return await status_of(services, command_line_actor(), freshness_bound_s=settings.freshness_bound_s)

    with redirect_stdout(sys.stderr):  # what is logged meanwhile
        found = asyncio.run(ask())
    if as_json:
        _print_json(asdict(found))
    else:
        print_status(_out, found)
    if not found.answered:
        raise typer.Exit(_NOT_ASKED)
    if found.problems:
        raise typer.Exit(_WRONG)


def trace(
    student: Annotated[str, typer.Option(prompt="Student number", help="Asked for; argument lists are public.")],
    at: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="What the page showed then; UTC without an offset.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what each department has published and done about a student, what the view holds, and the keys that traces
    of the student are searched by: personal data.

    Audited at the gateway and at each department. Exits with 1 if a department and the view are not in step, with 2 if
    a department or a database could not be asked.
    """
    settings = load(GatewaySettings)
    use_number_form(settings.number_form)
    number = student_number(student.strip())
    if number is None:
        raise typer.BadParameter("it is no student number")
    then = at.replace(tzinfo=at.tzinfo or UTC) if at else None
    try:
        with redirect_stdout(sys.stderr):  # what is logged meanwhile
            found = asyncio.run(_traced(settings, number, then))
    except DATABASE_ERRORS as error:
        _err.print(f"the gateway's database or the read model does not answer: {type(error).__name__}")
        raise typer.Exit(_NOT_ASKED) from None
    keys = searched_keys(settings.trace_secrets, number, datetime.now(UTC))
    if as_json:
        steps = [asdict(step) for step in found.steps]
        _print_json({"trace_keys": keys, "steps": steps, **({"page": found.page} if then else {})})
    else:
        print_keys(_out, keys, settings.trace_search)
        print_steps(_out, found.steps, settings.topics)
        if then:
            print_page(_out, then, found.then, causes_of(found.steps), settings.topics)
    findings = {step.finding for step in found.steps}
    if "department-away" in findings:
        raise typer.Exit(_NOT_ASKED)
    if findings - {"in-step"}:
        raise typer.Exit(_WRONG)


@dataclass(frozen=True, slots=True)
class _Traced:
    steps: tuple[Step, ...]
    then: Any

    @property
    def page(self) -> dict[str, Any] | None:
        if self.then is None:
            return None
        return {
            "language": self.then.kept.language,
            "first_shown_at": self.then.kept.since,
            "last_shown_at": self.then.kept.until,
            "replaced_at": self.then.replaced_at,
            "document": self.then.kept.document,
            "lines": [{**asdict(one), "line": one.line.anchor} for one in self.then.lines],
        }


async def _traced(settings: GatewaySettings, number: str, at: datetime | None) -> _Traced:
    async with outgoing_client(settings) as http, _pool(settings.database) as pool, _pool(settings.read_model) as view:
        person = command_line_actor()
        await StaffAudit(pool).looked_up(person, OPERATOR, (number,))
        steps = await steps_of(
            OperatedServices(http, settings.operated),
            tuple(discover(settings.services_folder)),
            await OperatingReader(view).view_of(number),
            person,
            number,
            stale_before=datetime.now(UTC) - timedelta(seconds=settings.freshness_bound_s),
        )
        return _Traced(steps, page_at(await ShownHistory(pool).of(number), at) if at else None)


@asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[Any]:
    opened = await open_pool(dsn, name="gateway.command", min_size=0, max_size=2)
    try:
        yield opened
    finally:
        await opened.close()


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)
