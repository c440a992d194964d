"""Commands that list and end sessions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from services.gateway.settings import GatewaySettings
from services.gateway.tables.sessions.ending import end_all_of, sessions_of
from services.kit.audit.log import command_line_actor
from services.kit.postgres.command_line import one_transaction
from services.kit.postgres.pool import Connection
from services.kit.settings import load
from services.kit.student_numbers import student_number, use_number_form

T = TypeVar("T")
sessions = typer.Typer(help="List and end people's sessions.", no_args_is_help=True)
_out = Console(soft_wrap=True)
Student = Annotated[str, typer.Option(help="A student number.")]
Account = Annotated[str, typer.Option(help="The subject at the identity provider: for staff.")]


@sessions.command("list")
def list_sessions(student: Student = "", account: Account = "") -> None:
    """List a person's sessions, without personal data."""
    found = _in_database(student, account, lambda db, number: sessions_of(db, student_id=number, account=account))
    for one in found:
        _out.print(f"{one.handle}  signed in {one.started_at:%Y-%m-%d %H:%M}  last used {one.seen_at:%Y-%m-%d %H:%M}")
    _out.print(f"{len(found)} sessions")


@sessions.command("end")
def end_sessions(student: Student = "", account: Account = "") -> None:
    """End all sessions of a person at once; open live pages within seconds."""
    by = command_line_actor()
    ended = _in_database(student, account, lambda db, number: end_all_of(db, student_id=number, account=account, by=by))
    _out.print(f"{ended} ended")


def _in_database(student: str, account: str, work: Callable[[Connection, str], Awaitable[T]]) -> T:
    if bool(student) == bool(account):
        raise typer.BadParameter("give --student or --account")
    settings = load(GatewaySettings)
    use_number_form(settings.number_form)
    number = student_number(student) if student else ""
    if number is None:
        raise typer.BadParameter("not a student number", param_hint="--student")

    async def run() -> T:
        async with one_transaction(settings.database) as connection:
            return await work(connection, number)

    return asyncio.run(run())
