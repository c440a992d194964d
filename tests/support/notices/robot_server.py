"""A receiver in the shape of the robots' addresses, over real HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tests.support.servers.live_server import live_server


class RobotServer:
    def __init__(self) -> None:
        self.address = ""
        self.taken: list[tuple[dict[str, str], dict[str, Any]]] = []
        """Parameters of the address, and document."""
        self.errcodes: list[int] = []
        """Of the next answers."""
        self.status = 200

    def app(self, address: str) -> FastAPI:
        app, self.address = FastAPI(), f"{address}/robot/send?key=secret"

        @app.post("/robot/send")
        async def send(request: Request) -> JSONResponse:
            code = self.errcodes.pop(0) if self.errcodes else 0
            if code == 0 and self.status == 200:
                self.taken.append((dict(request.query_params), await request.json()))
            return JSONResponse({"errcode": code, "errmsg": "ok" if code == 0 else "no"}, self.status)

        return app


@contextmanager
def robot_server() -> Iterator[RobotServer]:
    server = RobotServer()
    with live_server(server.app):
        yield server
