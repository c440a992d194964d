"""An ASGI application on a real port of this machine for the length of a `with`."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from services.kit.http.app import Server

START_DEADLINE_S = 20.0


@contextmanager
def live_server(make_app: Callable[[str], FastAPI]) -> Iterator[str]:
    """Serve `make_app(address)`, yield the address (`http://127.0.0.1:PORT`), stop at the end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = make_app(address)
        server = Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1), app)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield address
        finally:
            server.should_exit = True
            thread.join(START_DEADLINE_S)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    while not server.started:
        assert thread.is_alive(), "the server ended before it had started"
        assert time.monotonic() < deadline_s, "the server did not start in time"
        time.sleep(0.01)
