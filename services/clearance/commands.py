"""The operator's command line: what needs no running service. Nothing listed here is personal data, but `show`."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from services.clearance import dead_letters
from services.clearance.app import projector_of, readers_of
from services.clearance.dead_letters import NotOpen, Reader, StillUnreadable
from services.clearance.operators import discard_one, replay_one
from services.clearance.projector import NAME, status_topics
from services.clearance.rebuild import RebuildFailed, rebuild
from services.clearance.settings import ClearanceSettings
from services.kit.database import open_pool
from services.kit.departments import discover
from services.kit.settings import load

letters = typer.Typer(help="Records that could not be read.", no_args_is_help=True)
_out = Console(soft_wrap=True)


@letters.command("list")
def list_letters(
    ended: Annotated[bool, typer.Option(help="Those that were ended, instead of the open ones.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Only those behind this id.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=dead_letters.MOST_A_PAGE)] = 50,
) -> None:
    """Topic, partition, offset, reason and time of each."""

    async def look(pool: "asyncpg.Pool[Any]", _: dict[str, Reader]) -> None:
        async with pool.acquire() as connection:
            found, following = await dead_letters.page(connection, ended=ended, after=after, limit=limit)
        table = Table("id", "topic", "partition", "offset", "reason", "parked at", "ended")
        for one in found:
            place = (one.topic, str(one.partition), str(one.offset))
            end = f"{one.ended_how} by {one.ended_by}" if one.ended_how else ""
            table.add_row(str(one.id), *place, one.reason, f"{one.parked_at:%Y-%m-%d %H:%M:%S}", end)
        _out.print(table if found else "There are none.")
        if following:
            _out.print(f"More: --after {following}")

    _with_readers(look)


@letters.command()
def show(letter_id: int) -> None:
    """One of them with what it held. This is personal data."""

    async def look(pool: "asyncpg.Pool[Any]", _: dict[str, Reader]) -> None:
        async with pool.acquire() as connection:
            content = await dead_letters.show(connection, letter_id)
        if content is None:
            raise NotOpen
        for field in dead_letters.Letter.__dataclass_fields__:
            _out.print(f"{field}: {getattr(content.letter, field)}", markup=False)
        _out.print(f"key: {content.key!r}", f"headers: {content.headers!r}", sep="\n", markup=False)
        _out.print((content.value or b"").decode("utf-8", "backslashreplace"), markup=False)

    _with_readers(look)


@letters.command()
def replay(
    letter_id: Annotated[int | None, typer.Argument(help="Which one.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open one; those still unreadable stay open.")] = False,
) -> None:
    """Read it again with the code of today, and apply it where it stood."""
    if (letter_id is None) != every:
        raise typer.BadParameter("name one id, or say --all")

    async def again(pool: "asyncpg.Pool[Any]", readers: dict[str, Reader]) -> None:
        ids = await _open_ids(pool) if letter_id is None else [letter_id]
        left = 0
        for one in ids:
            try:
                async with pool.acquire() as connection:
                    await replay_one(connection, one, readers, by=_who())
            except StillUnreadable as still:
                left += 1
                _out.print(f"{one}: still unreadable: {still}", markup=False)
        _out.print(f"{len(ids) - left} replayed, {left} still unreadable")
        if left:
            raise typer.Exit(1)

    _with_readers(again)


@letters.command()
def discard(letter_id: int, why: Annotated[str, typer.Option(help="For the record.", prompt=True)]) -> None:
    """Put it away for good: it hides its student's item no more."""
    if not why.strip():
        raise typer.BadParameter("a reason is needed", param_hint="--why")

    async def away(pool: "asyncpg.Pool[Any]", readers: dict[str, Reader]) -> None:
        async with pool.acquire() as connection:
            await discard_one(connection, letter_id, readers, by=_who(), why=why.strip()[:200])
        _out.print("discarded")

    _with_readers(away)


def rebuild_view(
    check: Annotated[bool, typer.Option("--check", help="Compare only.")] = False,
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Switch to the rebuilt view though it differs.")
    ] = False,
) -> None:
    """Fold the view from zero beside the live one, compare both at one frontier, and switch when they are equal."""
    settings = load(ClearanceSettings)
    with Progress("records", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_out) as bar:
        task = bar.add_task("fold", total=None)
        try:
            compared = asyncio.run(
                rebuild(
                    settings.database,
                    kafka=settings.kafka,
                    group=settings.topics.group(NAME),
                    topics=status_topics(settings.topics, list(discover(settings.services_folder))),
                    switch=not check,
                    accept_differences=accept_differences,
                    progress=lambda done, of: bar.update(task, completed=done, total=of),
                )
            )
        except RebuildFailed as failed:
            _out.print(str(failed), markup=False)
            raise typer.Exit(2) from None
    _out.print(f"rows: {compared.live_rows} live, {compared.rebuilt_rows} rebuilt, {compared.differing} differing")
    _out.print(f"hash: {compared.live_hash[:16]} live, {compared.rebuilt_hash[:16]} rebuilt")
    _out.print(f"{compared.records} records in {compared.took_s:.1f} s")
    _out.print("switched" if compared.switched else "not switched: the live view is as it was")
    if not compared.equal and not compared.switched:
        raise typer.Exit(1)


def _with_readers(work: Callable[["asyncpg.Pool[Any]", dict[str, Reader]], Awaitable[None]]) -> None:
    settings = load(ClearanceSettings)

    async def run() -> None:
        pool = await open_pool(settings.database, name="clearance.command", max_size=2)
        try:
            await work(pool, readers_of(settings, projector_of(settings, pool)))
        finally:
            await pool.close()

    try:
        asyncio.run(run())
    except NotOpen:
        _out.print("There is no such open dead letter: `dead-letters list` shows them.")
        raise typer.Exit(1) from None


async def _open_ids(pool: "asyncpg.Pool[Any]") -> list[int]:
    rows = await pool.fetch("SELECT id FROM dead_letter WHERE ended_at IS NULL ORDER BY id")
    return [row["id"] for row in rows]


def _who() -> str:
    try:
        return f"command line: {getpass.getuser()}"
    except (KeyError, OSError):
        return f"command line: uid {os.getuid()}"
