"""An ASGI application on a real port of this machine for the length of a `with`."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from services.kit.http.app import Server

START_DEADLINE_S = 20.0


class _ThreadServer(Server):
    """Lets another thread wait until it has started, or will not."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config, app)
        self._decided = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self._decided.set()

    def wait_started(self) -> None:
        assert self._decided.wait(START_DEADLINE_S), "the server did not start in time"
        assert self.started, "the server ended before it had started"


@contextmanager
def live_server(make_app: Callable[[str], FastAPI]) -> Iterator[str]:
    """Serve `make_app(address)`, yield the address (`http://127.0.0.1:PORT`), stop at the end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = make_app(address)
        server = _ThreadServer(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1), app)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            server.wait_started()
            yield address
        finally:
            server.should_exit = True
            thread.join(START_DEADLINE_S)
