"""LISTEN on a connection of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import asyncpg
from opentelemetry.instrumentation.utils import suppress_instrumentation

_PROBE_S: Final = 30.0


async def listen(dsn: str, channel: str, on_notify: Callable[[str], None], *, name: str) -> None:
    """Calls `on_notify` with each notification's text, and with none once connected: some may have been missed.

    Raises `ConnectionError` when the connection is lost. `name` is the service's.
    """
    lost = asyncio.Event()
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        dsn, timeout=10, command_timeout=10, server_settings={"application_name": f"{name}.{channel}"}
    )
    try:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(channel, lambda *notification: on_notify(str(notification[-1])))
        on_notify("")
        while not lost.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), _PROBE_S)
            if not lost.is_set():
                with suppress_instrumentation():
                    await connection.execute("SELECT 1")
        raise ConnectionError(f"the connection listening to {channel} was lost")
    finally:
        connection.terminate()
