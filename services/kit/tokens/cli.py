"""The `tokens` commands of a service, which need not run; a running one takes notice within seconds."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table

from services.kit.audit.log import command_line_actor
from services.kit.postgres.command_line import one_transaction
from services.kit.postgres.pool import Connection
from services.kit.settings import Settings, load
from services.kit.tokens import store
from services.kit.tokens.store import NoSuchToken, TokenExists

T = TypeVar("T")
_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")
# What a program reads is not folded.
_out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 200)


def _name(text: str) -> str:
    if not _NAME.match(text):
        raise typer.BadParameter("a name has lower case letters, digits, dots, hyphens and underscores")
    return text


Name = Annotated[str, typer.Argument(help="Of the person or system; the audit records it.", callback=_name)]
Days = Annotated[int, typer.Option(min=1, max=3_650, help="Until it expires.")]


def token_commands(roles: Collection[str]) -> typer.Typer:
    """`roles`: what a token of this service can be good for."""
    commands = typer.Typer(help="Make, list, rotate and revoke access tokens.", no_args_is_help=True)

    @commands.command()
    def make(
        name: Name,
        role: Annotated[list[str], typer.Option(help=f"One or more of: {', '.join(sorted(roles))}.")],
        days: Days = 180,
    ) -> None:
        """Make a token and print it: it cannot be shown again."""
        if unknown := set(role) - set(roles):
            raise typer.BadParameter(f"not a role of this service: {', '.join(sorted(unknown))}", param_hint="--role")
        life, by = timedelta(days=days), command_line_actor()
        _out.print(_in_database(lambda db: store.make(db, name, role, life=life, by=by)), markup=False)

    @commands.command()
    def rotate(
        name: Name,
        overlap_hours: Annotated[int, typer.Option(min=0, max=2_160, help="Both tokens are good so long.")] = 24,
        days: Days = 180,
    ) -> None:
        """Make another token of the same roles and print it; the older one ends after the overlap."""
        overlap, life, by = timedelta(hours=overlap_hours), timedelta(days=days), command_line_actor()
        _out.print(_in_database(lambda db: store.rotate(db, name, overlap=overlap, life=life, by=by)), markup=False)

    @commands.command()
    def revoke(name: Name) -> None:
        """End every token of the name now."""
        by = command_line_actor()
        _in_database(lambda db: store.revoke(db, name, by=by))
        _out.print("revoked")

    @commands.command("list")
    def list_tokens() -> None:
        """List tokens with their roles, expiry and last use."""
        rows = _in_database(store.listed)
        columns = ("name", "roles", "made", "by", "expires", "last used", "revoked")
        table = Table(*(Column(each, overflow="fold") for each in columns))
        for one in rows:
            instants = (one.expires_at, one.last_used_at, one.revoked_at)
            table.add_row(one.name, " ".join(one.roles), _shown(one.made_at), one.made_by, *map(_shown, instants))
        _out.print(table if rows else "There are none.")

    return commands


def _shown(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def _in_database(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with one_transaction(load(Settings).database) as connection:
            return await work(connection)

    try:
        return asyncio.run(run())
    except NoSuchToken:
        _out.print("There is no valid token of this name; see `tokens list`.")
    except TokenExists:
        _out.print("There is a valid token of this name: rotate or revoke it, or choose another name.")
    raise typer.Exit(1)
