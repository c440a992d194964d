"""What the outermost middleware refuses is logged with the address it came from, and a flood of it is not."""

import json
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from services.gateway.web.guard import REPORT_BURST, Guard
from tests.support.observability.log_lines import captured_lines

FILE = "/static/lixiao.0123456789ab.css"


async def request(guard: Guard, method: str, headers: dict[str, str], path: str = "/case") -> int:
    """The status of the answer."""
    return int((await answer(guard, method, headers, path))["status"])


async def answer(guard: Guard, method: str, headers: dict[str, str], path: str = "/case") -> Any:
    """Its beginning."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": ("203.0.113.7", 1)}
    await guard(scope, receive, send)
    return sent[0]


def guard() -> Guard:
    return Guard(
        PlainTextResponse("fine"),
        origin="https://lixiao.example.edu",
        refuse=lambda _, problem: problem,
        unlimited={FILE},
    )


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}])
async def test_a_browser_is_told_to_come_back_over_https_whatever_is_answered(headers: dict[str, str]) -> None:
    start = await answer(guard(), "POST", headers)
    assert (b"strict-transport-security", b"max-age=31536000; includeSubDomains") in start["headers"]


@pytest.mark.parametrize(
    ("headers", "cause"),
    [({"sec-fetch-site": "cross-site"}, "cross-site"), ({"origin": "https://evil.example"}, "cross-site")],
)
async def test_a_write_from_another_site_is_logged_with_its_address(headers: dict[str, str], cause: str) -> None:
    with captured_lines("info") as lines:
        assert await request(guard(), "POST", headers) == 403
    line = json.loads(lines.getvalue())
    assert (line["event"], line["cause"], line["address"]) == ("request.refused", cause, "203.0.113.7")


async def test_a_flood_is_refused_and_does_not_flood_the_log() -> None:
    one = guard()
    with captured_lines("info") as lines:
        statuses = [await request(one, "GET", {"cookie": "__Host-sid=" + "x" * 43}) for _ in range(1000)]
    assert statuses.count(429) > 900
    logged = [json.loads(line)["cause"] for line in lines.getvalue().splitlines()]
    assert set(logged) == {"too-many-requests"}
    assert len(logged) <= REPORT_BURST + 50


@pytest.mark.parametrize(("path", "limited"), [(FILE, False), ("/static/none.css", True), (f"{FILE}/", True)])
async def test_no_limit_counts_the_files_of_a_page_and_nothing_else_beside_them(path: str, limited: bool) -> None:
    one = guard()
    statuses = [await request(one, "GET", {"cookie": "__Host-sid=" + "x" * 43}, path) for _ in range(100)]
    assert (429 in statuses) is limited


async def test_an_ordinary_request_is_not_logged() -> None:
    with captured_lines("info") as lines:
        assert await request(guard(), "POST", {"origin": "https://lixiao.example.edu"}) == 200
    assert lines.getvalue() == ""
