"""A service's dead letters on the command line. It needs no running service, and nothing listed is personal data.

The command line it hangs in gives the opener of its letters as the context's object.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.table import Column, Table

from services.kit.audit.log import command_line_actor
from services.kit.messaging import dead_letter_replay
from services.kit.messaging.dead_letter_replay import DeadLetterClosed, ReplayHandler, StillUnreadable, StoredDeadLetter
from services.kit.postgres.pool import open_pool

commands = typer.Typer(help="Records that could not be read.", no_args_is_help=True)
_out = Console(soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Letters:
    """Where a service's dead letters lie, and how each of its consumers reads again."""

    pool: "asyncpg.Pool[Any]"
    readers: Mapping[str, ReplayHandler]


OpenLetters = Callable[[], AbstractAsyncContextManager[Letters]]


@asynccontextmanager
async def letters_in(
    database: str, name: str, readers: Callable[["asyncpg.Pool[Any]"], Mapping[str, ReplayHandler]]
) -> AsyncIterator[Letters]:
    """The dead letters of the service `name`, whose readers work on the pool they are given."""
    pool = await open_pool(database, name=f"{name}.command", max_size=2)
    try:
        yield Letters(pool, readers(pool))
    finally:
        await pool.close()


@commands.command("list")
def list_letters(
    context: typer.Context,
    ended: Annotated[bool, typer.Option(help="Those that were ended, instead of the open ones.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Only those behind this id.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=dead_letter_replay.MOST_A_PAGE)] = 50,
) -> None:
    """Topic, partition, offset, reason and time of each."""

    async def look(letters: Letters) -> None:
        async with letters.pool.acquire() as connection:
            found, following = await dead_letter_replay.page(connection, ended=ended, after=after, limit=limit)
        _out.print(_table(found) if found else "There are none.")
        if following:
            _out.print(f"More: --after {following}")

    _with_letters(context, look)


@commands.command()
def show(context: typer.Context, letter_id: int) -> None:
    """One of them with what it held. This is personal data."""

    async def look(letters: Letters) -> None:
        async with letters.pool.acquire() as connection:
            content = await dead_letter_replay.show(connection, letter_id)
        if content is None:
            raise DeadLetterClosed
        for field in StoredDeadLetter.__dataclass_fields__:
            _out.print(f"{field}: {getattr(content.letter, field)}", markup=False)
        _out.print(f"key: {content.key!r}", f"headers: {content.headers!r}", sep="\n", markup=False)
        _out.print((content.value or b"").decode("utf-8", "backslashreplace"), markup=False)

    _with_letters(context, look)


@commands.command()
def replay(
    context: typer.Context,
    letter_id: Annotated[int | None, typer.Argument(help="Which one.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open one; those still unreadable stay open.")] = False,
) -> None:
    """Read it again with the code of today, and apply it where it stood."""
    if (letter_id is None) != every:
        raise typer.BadParameter("name one id, or say --all")

    async def again(letters: Letters) -> None:
        ids = await _open_ids(letters) if letter_id is None else [letter_id]
        left = 0
        for one in ids:
            try:
                async with letters.pool.acquire() as connection:
                    await dead_letter_replay.replay(connection, one, letters.readers, by=command_line_actor())
            except StillUnreadable as still:
                left += 1
                _out.print(f"{one}: still unreadable: {still}", markup=False)
        _out.print(f"{len(ids) - left} replayed, {left} still unreadable")
        if left:
            raise typer.Exit(1)

    _with_letters(context, again)


@commands.command()
def discard(
    context: typer.Context, letter_id: int, why: Annotated[str, typer.Option(help="For the record.", prompt=True)]
) -> None:
    """Put it away for good: it is never read again."""
    if not why.strip():
        raise typer.BadParameter("a reason is needed", param_hint="--why")

    async def away(letters: Letters) -> None:
        async with letters.pool.acquire() as connection:
            await dead_letter_replay.discard(
                connection, letter_id, letters.readers, by=command_line_actor(), why=why.strip()[:200]
            )
        _out.print("discarded")

    _with_letters(context, away)


def _with_letters(context: typer.Context, work: Callable[[Letters], Awaitable[None]]) -> None:
    opened: OpenLetters = context.obj

    async def run() -> None:
        async with opened() as letters:
            await work(letters)

    try:
        asyncio.run(run())
    except DeadLetterClosed:
        _out.print("There is no such open dead letter: `dead-letters list` shows them.")
        raise typer.Exit(1) from None


def _table(letters: list[StoredDeadLetter]) -> Table:
    # Folded, not cut short: a pipe has eighty columns.
    columns = ("id", "topic", "partition", "offset", "reason", "parked at", "ended")
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for one in letters:
        place = (one.topic, str(one.partition), str(one.offset))
        end = f"{one.ended_how} by {one.ended_by}" if one.ended_how else ""
        table.add_row(str(one.id), *place, one.reason, f"{one.parked_at:%Y-%m-%d %H:%M:%S}", end)
    return table


async def _open_ids(letters: Letters) -> list[int]:
    rows = await letters.pool.fetch("SELECT id FROM dead_letter WHERE ended_at IS NULL ORDER BY id")
    return [row["id"] for row in rows]
