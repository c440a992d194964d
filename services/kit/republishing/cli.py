"""The `republish` command of a service, which need not run: its relay sends what is published here."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final

import asyncpg
import typer
from rich.console import Console

from services.kit.audit.log import command_line_actor
from services.kit.messaging.outbox import Wakeup
from services.kit.republishing import store
from services.kit.republishing.store import Republication, Scope
from services.kit.republishing.worker import Publisher, Republisher
from services.kit.student_numbers import student_number

OpenPublisher = Callable[[], AbstractAsyncContextManager[tuple["asyncpg.Pool[Any]", Publisher]]]
_SHOWN_EVERY_S: Final = 1.0
_WAIT_S: Final = 0.2
_out = Console(soft_wrap=True)


def republish_command(opened: OpenPublisher) -> Callable[..., None]:
    def republish(
        student: Annotated[str | None, typer.Option(help="Only this student.")] = None,
        why: Annotated[str, typer.Option(help="The reason, for the audit.")] = "requested",
    ) -> None:
        """Publish again what is published about students, under higher versions than any before.

        Interrupted, a running service goes on with it; `republish` shows the progress again.
        """
        number = () if student is None else (_number(student),)
        asyncio.run(_republish(opened, Scope(number), why))

    return republish


async def _republish(opened: OpenPublisher, scope: Scope, why: str) -> None:
    async with opened() as (pool, publisher):
        async with pool.acquire() as connection, connection.transaction():
            asked = await store.request(connection, scope, reason=why.strip()[:200], by=command_line_actor())
            of = await connection.fetchval(f"SELECT count(*) FROM {publisher.students[0]}")
        republisher = Republisher(pool, publisher, Wakeup())
        shown_s = 0.0
        while (found := await _progress(pool, asked)).finished_at is None:
            now_s = asyncio.get_running_loop().time()
            if now_s - shown_s >= _SHOWN_EVERY_S:
                shown_s = now_s
                _out.print(f"{found.considered} of {found.students or of}")
            if not await republisher.batch():
                await asyncio.sleep(_WAIT_S)
    _out.print(f"{found.published} published again")


async def _progress(pool: "asyncpg.Pool[Any]", asked: Republication) -> Republication:
    async with pool.acquire() as connection:
        found = await store.find(connection, asked.republication_id)
    assert found is not None
    return found


def _number(text: str) -> str:
    number = student_number(text)
    if number is None:
        raise typer.BadParameter("not a student number", param_hint="--student")
    return number
