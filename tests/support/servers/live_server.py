"""An ASGI application on a real port of this machine for the length of a `with`."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI

from services.kit.http.serving.server import Server
from services.kit.settings import Settings

START_DEADLINE_S = 20.0
UNUSED = {"kafka": "127.0.0.1:9", "database": "postgresql://nobody@127.0.0.1/none"}


class _ThreadServer(Server):
    """Lets another thread wait until it has started, or will not."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        super().__init__(app, settings)
        self.config.timeout_graceful_shutdown = 1
        self._decided = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self._decided.set()

    def wait_started(self) -> None:
        assert self._decided.wait(START_DEADLINE_S), "the server did not start in time"
        assert self.started, "the server ended before it had started"

    @property
    def operator_address(self) -> str:
        return f"http://127.0.0.1:{self.servers[-1].sockets[0].getsockname()[1]}"


@contextmanager
def live_server(make_app: Callable[[str], FastAPI], **settings: Any) -> Iterator[str]:
    """Serve `make_app(address)`, yield the address (`http://127.0.0.1:PORT`), stop at the end."""
    with live_servers(make_app, **settings) as (address, _):
        yield address


@contextmanager
def live_servers(make_app: Callable[[str], FastAPI], **settings: Any) -> Iterator[tuple[str, str]]:
    """The same, with the address of the operator's port, if `operator_port` is given."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = _ThreadServer(make_app(address), Settings(**{**UNUSED, **settings}))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            server.wait_started()
            yield address, server.operator_address
        finally:
            server.should_exit = True
            thread.join(START_DEADLINE_S)
