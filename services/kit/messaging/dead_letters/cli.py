"""The `dead-letters` command of every service, which need not run.

typer's context object is an `OpenDeadLetters`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.kit.audit.log import command_line_actor
from services.kit.messaging.dead_letters import actions
from services.kit.messaging.dead_letters.actions import (
    DeadLetterClosed,
    ReplayHandler,
    StillUnreadable,
    StoredDeadLetter,
)
from services.kit.postgres.pool import open_pool

commands = typer.Typer(help="Inspect, replay or discard records that could not be read.", no_args_is_help=True)
_out = Console(soft_wrap=True)


@dataclass(frozen=True, slots=True)
class DeadLetterStore:
    pool: "asyncpg.Pool[Any]"
    handlers: Mapping[str, ReplayHandler]


OpenDeadLetters = Callable[[], AbstractAsyncContextManager[DeadLetterStore]]


@asynccontextmanager
async def dead_letters_of(
    database: str, name: str, handlers: Callable[["asyncpg.Pool[Any]"], Mapping[str, ReplayHandler]]
) -> AsyncIterator[DeadLetterStore]:
    pool = await open_pool(database, name=f"{name}.command", max_size=2)
    try:
        yield DeadLetterStore(pool, handlers(pool))
    finally:
        await pool.close()


@commands.command("list")
def list_dead_letters(
    context: typer.Context,
    ended: Annotated[bool, typer.Option(help="Closed ones instead of open ones.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Only ids greater than this.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=actions.MAX_PAGE)] = 50,
) -> None:
    """List open dead letters, without personal data."""

    async def read(store: DeadLetterStore) -> None:
        async with store.pool.acquire() as connection:
            found, following = await actions.page(connection, ended=ended, after=after, limit=limit)
        _out.print(_table(found) if found else "There are none.")
        if following:
            _out.print(f"More: --after {following}")

    _with_store(context, read)


@commands.command()
def show(context: typer.Context, dead_letter_id: int) -> None:
    """Print one with its content, which is personal data."""

    async def read(store: DeadLetterStore) -> None:
        async with store.pool.acquire() as connection:
            content = await actions.show(connection, dead_letter_id, by=command_line_actor())
        if content is None:
            raise DeadLetterClosed
        for field in StoredDeadLetter.__dataclass_fields__:
            _out.print(f"{field}: {getattr(content.dead_letter, field)}", markup=False)
        _out.print(f"key: {content.key!r}", f"headers: {content.headers!r}", sep="\n", markup=False)
        _out.print((content.value or b"").decode("utf-8", "backslashreplace"), markup=False)

    _with_store(context, read)


@commands.command()
def replay(
    context: typer.Context,
    dead_letter_id: Annotated[int | None, typer.Argument(help="Its id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All open ones; those still unreadable stay open.")] = False,
) -> None:
    """Apply it with the current code, at its own offset."""
    if (dead_letter_id is None) != every:
        raise typer.BadParameter("give one id, or --all")

    async def apply(store: DeadLetterStore) -> None:
        ids = await _open_ids(store) if dead_letter_id is None else [dead_letter_id]
        replayed = left = 0
        for one in ids:
            try:
                async with store.pool.acquire() as connection:
                    await actions.replay(connection, one, store.handlers, by=command_line_actor())
            except StillUnreadable as still:
                left += 1
                _out.print(f"{one}: still unreadable: {still}", markup=False)
            except DeadLetterClosed:
                # Somebody else was there first.
                if not every:
                    raise
            else:
                replayed += 1
        _out.print(f"{replayed} replayed, {left} still unreadable")
        if left:
            raise typer.Exit(1)

    _with_store(context, apply)


@commands.command()
def discard(
    context: typer.Context,
    dead_letter_id: int,
    why: Annotated[str, typer.Option(help="The reason, for the audit.", prompt=True)],
) -> None:
    """Close it for good without applying it."""
    if not why.strip():
        raise typer.BadParameter("a reason is required", param_hint="--why")

    async def close(store: DeadLetterStore) -> None:
        async with store.pool.acquire() as connection:
            await actions.discard(
                connection, dead_letter_id, store.handlers, by=command_line_actor(), why=why.strip()[:200]
            )
        _out.print("discarded")

    _with_store(context, close)


def _with_store(context: typer.Context, work: Callable[[DeadLetterStore], Awaitable[None]]) -> None:
    opened: OpenDeadLetters = context.obj

    async def run() -> None:
        async with opened() as store:
            await work(store)

    try:
        asyncio.run(run())
    except DeadLetterClosed:
        _out.print("No open dead letter has this id; see `dead-letters list`.")
        raise typer.Exit(1) from None


def _table(rows: list[StoredDeadLetter]) -> Table:
    # Folded, not truncated: a pipe is eighty columns wide.
    columns = ("id", "topic", "partition", "offset", "reason", "stored at", "closed")
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for one in rows:
        position = (one.topic, str(one.partition), str(one.offset))
        end = f"{one.ended_how} by {one.ended_by}" if one.ended_how else ""
        # A reason quotes a pattern, or what its sender chose: `[a-z]` would be taken for markup.
        table.add_row(str(one.id), *position, escape(one.reason), f"{one.stored_at:%Y-%m-%d %H:%M:%S}", escape(end))
    return table


async def _open_ids(store: DeadLetterStore) -> list[int]:
    rows = await store.pool.fetch("SELECT id FROM dead_letter WHERE ended_at IS NULL ORDER BY id")
    return [row["id"] for row in rows]
