"""What is answered before the routes is answered under the service's own names only, as everything else."""

import httpx
import pytest
from fastapi import Response
from starlette.types import ASGIApp

from services.kit.http.app import create_app
from services.kit.runtime.health import Health


def at_once(app: ASGIApp) -> ASGIApp:
    return Response("answer")


@pytest.mark.parametrize(("host", "answered"), [("lixiao.example", True), ("evil.example", False)])
async def test_an_answer_before_the_routes_needs_a_name_of_the_service(host: str, answered: bool) -> None:
    app = create_app(
        title="test",
        version="1",
        description="",
        health=Health(),
        lifespan=None,
        routers=(),
        telemetry=None,
        before_routes=at_once,
        allowed_hosts="lixiao.example",
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}") as client:
        assert ((await client.get("/")).text == "answer") is answered
