"""Operator commands of the notice service."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer
from rich.console import Console

from schemas.flows import NOTICES
from services.kit.audit.log import append_entries, append_entry, command_line_actor
from services.kit.manifests import discover
from services.kit.messaging.dead_letters.actions import ReplayHandler
from services.kit.messaging.dead_letters.cli import DeadLetterStore, dead_letters_of
from services.kit.postgres.command_line import one_transaction
from services.kit.postgres.pool import Connection
from services.kit.settings import Settings, load
from services.kit.signing.configured import verifier_of
from services.kit.student_numbers import use_number_form
from services.notices.contacts.body import ContactBody
from services.notices.contacts.file import NoContacts, RefusedRow, rows_of
from services.notices.settings import NoticeSettings
from services.notices.subscriptions import Reminding, cases_router, sent_router, statuses_router
from services.notices.tables import contacts, notices

T = TypeVar("T")
_SHOWN: Final = 20
_out = Console(soft_wrap=True)

notice_commands = typer.Typer(help="List notices, and decide on dead ones.", no_args_is_help=True)
contact_commands = typer.Typer(help="Load where students are written to.", no_args_is_help=True)
Ids = Annotated[list[UUID] | None, typer.Argument(help="As `list` shows them.")]
All = Annotated[bool, typer.Option("--all", help="Every dead one.")]


@notice_commands.command("list")
def list_notices(
    state: Annotated[str, typer.Option(help="waiting, sent, dead or dropped.")] = "dead",
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
) -> None:
    """List notices, newest first, without whom they are to."""
    rows = _in_database(lambda db: notices.listed(db, state, limit))
    for row in rows:
        at = row["ended_at"] or row["due_at"]
        cause = row["cause"] or ""
        _out.print(
            f"{row['notice_id']}  {row['channel']:<8}  {row['state']:<7}  {row['occasions']} occasions"
            f"  {row['tries']} tries  {at:%Y-%m-%d %H:%M}  {cause}",
            markup=False,
        )
    _out.print(f"{len(rows)} notices")


@notice_commands.command("send-again")
def send_again(ids: Ids = None, every: All = False) -> None:
    """Send dead notices again, once what was wrong is mended."""
    chosen = _chosen(ids, every)
    _out.print(f"{_ended('notice.send-again', lambda db: notices.revive(db, chosen))} are sent again")


@notice_commands.command("discard")
def discard(why: Annotated[str, typer.Option(help="For the audit.")], ids: Ids = None, every: All = False) -> None:
    """Never send dead notices."""
    chosen = _chosen(ids, every)
    count = _ended("notice.discard", lambda db: notices.discard(db, chosen, "discarded"), reason=why)
    _out.print(f"{count} discarded")


@contact_commands.command("load")
def load_contacts(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Load a CSV file in UTF-8: 学号, 邮箱, 企业微信账号, 钉钉账号, 语言. What students chose themselves stands."""
    use_number_form(load(Settings).number_form)
    try:
        rows = list(rows_of(file))
    except NoContacts as error:
        raise typer.BadParameter(str(error)) from None
    refused = [row for row in rows if isinstance(row, RefusedRow)]
    kept, standing = _in_database(lambda db: _keep(db, [row for row in rows if isinstance(row, ContactBody)]))
    for row in refused[:_SHOWN]:
        _out.print(f"line {row.line}: {', '.join(row.fields)}", markup=False)
    _out.print(f"{kept} kept, {standing} own choices stand, {len(refused)} refused")
    if refused:
        raise typer.Exit(1)


async def _keep(connection: Connection, bodies: list[ContactBody]) -> tuple[int, int]:
    kept = [await contacts.keep(connection, body.student_id, body.contact()) for body in bodies]
    await append_entry(
        connection, actor=command_line_actor(), act="contact.load", outcome="kept", details={"count": sum(kept)}
    )
    return sum(kept), len(kept) - sum(kept)


def _chosen(ids: list[UUID] | None, every: bool) -> list[UUID] | None:
    if bool(ids) == every:
        raise typer.BadParameter("name notices, or give --all")
    return ids or None


def _ended(act: str, work: Callable[[Connection], Awaitable[list[Any]]], **details: str) -> int:
    """How many; each is audited."""

    async def audited(connection: Connection) -> int:
        rows = await work(connection)
        about = [
            (row["student_id"], {"notice": row["notice_id"], "channel": row["channel"], **details}) for row in rows
        ]
        await append_entries(connection, actor=command_line_actor(), act=act, outcome="done", about=about)
        return len(rows)

    return _in_database(audited)


def _in_database(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def run() -> T:
        async with one_transaction(load(Settings).database) as connection:
            return await work(connection)

    return asyncio.run(run())


def open_dead_letters() -> AbstractAsyncContextManager[DeadLetterStore]:
    settings = load(NoticeSettings)
    departments = discover(settings.services_folder)
    verify = verifier_of(settings, departments)
    routers = (
        sent_router(settings.topics, verify=verify),
        cases_router(settings.topics, verify=verify, reminding=Reminding.of(settings)),
        statuses_router(settings.topics, departments, window_s=settings.notice_window_s),
    )
    handlers = {router.group: ReplayHandler(router.subscription.apply) for router in routers}
    return dead_letters_of(settings.database, NOTICES, lambda _: handlers)
