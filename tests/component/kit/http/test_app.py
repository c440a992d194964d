"""The HTTP side every service is made with: answers to errors, health, who may call, and what no answer shows."""

import asyncio
import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import asyncpg
import httpx
import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, field_validator

from schemas.events import StudentId
from services.kit.http.app import create_app
from services.kit.http.auth import Credentials, Principal, require, token_sha256
from services.kit.http.problems import FieldProblem, Problem
from services.kit.names import desk_role
from services.kit.observability import logs
from services.kit.observability.telemetry import build
from services.kit.runtime.health import Health

SECRET = "WANG-XIAOMING-7"
TOKENS = {"library-desk": "t" * 40, "dorm-desk": "d" * 40}


class Loan(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    student_id: StudentId
    copies: int = 1
    kind: Literal["book", "journal"] = "book"
    note: str = ""

    @field_validator("note")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > 20:
            raise ValueError("a note has at most 20 characters")
        return value


def routes() -> APIRouter:
    router = APIRouter()

    @router.post("/loans")
    async def loans(body: Loan, key: Annotated[str, Header(alias="Idempotency-Key")]) -> dict[str, str]:
        return {"student_id": body.student_id}

    @router.get("/problem")
    async def problem() -> None:
        raise Problem(
            409,
            "refused",
            "Not now",
            detail="Return the books first.",
            errors=[FieldProblem(field="/copies", problem="3 are out", remedy="Return them.")],
            headers={"Retry-After": "1"},
            extensions={"reason": {"code": "books-out"}},
        )

    @router.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    @router.get("/mistake")
    async def mistake() -> None:
        raise RuntimeError(f"the row of {SECRET}")

    @router.get("/broken-off")
    async def broken_off() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"a"
            raise RuntimeError("half way")

        return StreamingResponse(parts())

    @router.get("/database-away")
    async def database_away() -> None:
        raise asyncpg.CannotConnectNowError("the database system is starting up")

    @router.get("/network-away")
    async def network_away() -> None:
        raise ConnectionRefusedError(111, "refused")

    @router.get("/text")
    async def text() -> None:
        raise asyncpg.CharacterNotInRepertoireError("invalid byte sequence: 0x00")

    @router.get("/desk")
    async def at_desk(principal: Annotated[Principal, Depends(require(desk_role("library")))]) -> dict[str, str]:
        return {"who": principal.name}

    return router


def entry(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "token_sha256": sha256, "roles": [desk_role(name.removesuffix("-desk"))]}


def application(tmp_path: Path, **options: Any) -> FastAPI:
    app = create_app(
        title="Library",
        version="1",
        description="",
        health=options.pop("health", Health()),
        lifespan=None,
        routers=[routes()],
        telemetry=options.pop("telemetry", None),
        **options,
    )
    entries = [entry(name, token_sha256(token)) for name, token in TOKENS.items()]
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(entries))
    app.state.credentials = Credentials.load(path)
    return app


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://library.example")


@pytest.fixture(autouse=True)
def lines() -> Iterator[io.StringIO]:
    """What is logged, as it would be on stdout; the process's logging is put back after."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("library", level="debug", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(application(tmp_path)) as made:
        yield made


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:lixiao:problem:")
    assert document["title"]
    return document


async def test_a_problem_says_what_it_was_given(client: httpx.AsyncClient) -> None:
    answer = await client.get("/problem")
    document = problem_of(answer, 409)
    assert document["type"] == "urn:lixiao:problem:refused"
    assert document["detail"] == "Return the books first."
    assert document["reason"] == {"code": "books-out"}
    assert document["errors"] == [{"field": "/copies", "problem": "3 are out", "remedy": "Return them."}]
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "field", "remedy"),
    [
        ({"copies": 1}, "/student_id", "Add this field."),
        ({"student_id": f"!{SECRET}"}, "/student_id", "Send a value that should match pattern"),
        ({"student_id": "TS20260001", "copies": SECRET}, "/copies", "Send a valid integer"),
        ({"student_id": "TS20260001", "kind": SECRET}, "/kind", "Send one of: 'book' or 'journal'."),
        ({"student_id": "TS20260001", "shelf": SECRET}, "/shelf", "Remove this field"),
        ({"student_id": "TS20260001", f"王 {SECRET}": 1}, "/…", "Remove this field"),
        ({"student_id": "TS20260001", "note": SECRET * 9}, "/note", "Correct the value"),
        ([SECRET], "", "Send a valid dictionary"),
        (None, "", "Send the JSON that /openapi.json describes."),
    ],
)
async def test_a_wrong_field_is_named_with_a_remedy_and_without_what_was_sent(
    client: httpx.AsyncClient, body: Any, field: str, remedy: str
) -> None:
    answer = await client.post("/loans", json=body, headers={"Idempotency-Key": "k"})
    (error,) = problem_of(answer, 422)["errors"]
    assert error["field"] == field
    assert error["remedy"].startswith(remedy)
    assert SECRET not in answer.text


async def test_a_missing_header_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/loans", json={"student_id": "TS20260001"})
    (error,) = problem_of(answer, 422)["errors"]
    assert error == {"field": "header Idempotency-Key", "problem": "Field required", "remedy": "Add this field."}


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a":' * 100_000, b"", b'{"student_id": "\\ud800"}', b"NaN"])
async def test_a_body_that_is_no_json_is_refused_and_never_a_500(client: httpx.AsyncClient, body: bytes) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await client.post("/loans", content=body, headers=headers)
    problem_of(answer, answer.status_code)
    assert answer.status_code in (400, 422)


async def test_a_body_beyond_the_limit_is_refused_as_a_problem(tmp_path: Path) -> None:
    async with client_of(application(tmp_path, max_body_bytes=1000)) as client:
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        answer = await client.post("/loans", content=b" " * 1001, headers=headers)
        assert problem_of(answer, 413)["type"] == "urn:lixiao:problem:too-large"
        assert answer.headers["x-content-type-options"] == "nosniff"

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(11):
                yield b" " * 100

        problem_of(await client.post("/loans", content=parts(), headers=headers), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", f"/{SECRET}", 404), ("TRACE", "/loans", 405), ("GET", "/teapot", 418)]
)
async def test_the_frameworks_own_errors_are_problems_too(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    problem_of(answer, status)
    assert SECRET not in answer.text


async def test_a_wrong_method_is_told_the_right_ones(client: httpx.AsyncClient) -> None:
    assert (await client.get("/loans")).headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/database-away", "/network-away"])
async def test_a_part_that_is_away_is_said_with_when_to_try_again(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert problem_of(answer, 503)["type"] == "urn:lixiao:problem:unavailable"
    assert int(answer.headers["retry-after"]) > 0


async def test_a_text_the_database_cannot_store_is_the_clients_to_correct(client: httpx.AsyncClient) -> None:
    problem_of(await client.get("/text"), 422)


async def test_a_mistake_of_ours_is_a_500_that_shows_nothing_of_it(
    client: httpx.AsyncClient, lines: io.StringIO
) -> None:
    answer = await client.get("/mistake")
    assert problem_of(answer, 500).keys() == {"type", "title", "status"}
    assert SECRET not in answer.text
    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert (line["event"], line["level"], line["route"], line["error"]) == (
        "request.failed",
        "error",
        "/mistake",
        "RuntimeError",
    )


async def test_an_answer_that_breaks_off_is_logged_and_left_to_the_server_to_cut_off(
    client: httpx.AsyncClient, lines: io.StringIO
) -> None:
    with pytest.raises(RuntimeError, match="half way"):
        await client.get("/broken-off")
    assert json.loads(lines.getvalue().splitlines()[-1])["route"] == "/broken-off"


@pytest.mark.parametrize("path", ["/problem", "/mistake", "/nowhere", "/health/live", "/openapi.json", "/desk"])
async def test_every_answer_is_not_stored_and_not_sniffed(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


async def test_the_right_token_is_let_in(client: httpx.AsyncClient) -> None:
    answer = await client.get("/desk", headers={"Authorization": f"Bearer {TOKENS['library-desk']}"})
    assert answer.json() == {"who": "library-desk"}


@pytest.mark.parametrize("sent", [None, "Bearer nobody", "Bearer ", "Basic dDp0", f"Basic {TOKENS['library-desk']}"])
async def test_without_a_known_token_nobody_is_let_in(client: httpx.AsyncClient, sent: str | None) -> None:
    answer = await client.get("/desk", headers={"Authorization": sent} if sent else {})
    problem_of(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_token_of_another_desk_is_refused_and_the_refusal_is_logged_without_it(
    client: httpx.AsyncClient, lines: io.StringIO
) -> None:
    answer = await client.get("/desk", headers={"Authorization": f"Bearer {TOKENS['dorm-desk']}"})
    assert "desk:library" in problem_of(answer, 403)["detail"]
    line = json.loads(lines.getvalue().splitlines()[-1])
    assert (line["event"], line["principal"], line["cause"]) == ("auth.refused", "dorm-desk", "role")
    assert TOKENS["dorm-desk"] not in lines.getvalue()


async def test_an_application_without_credentials_lets_nobody_in(tmp_path: Path) -> None:
    app = application(tmp_path)
    headers = {"Authorization": f"Bearer {TOKENS['library-desk']}"}
    for credentials in (Credentials.load(None), None):
        app.state.credentials = credentials
        async with client_of(app) as client:
            problem_of(await client.get("/desk", headers=headers), 401)


@pytest.mark.parametrize(
    "entries",
    [
        [entry("a", "0" * 64), entry("a", "1" * 64)],
        [entry("a", "0" * 64), entry("b", "0" * 64)],
        [entry("a", SECRET)],
        [{**entry("a", "0" * 64), "roles": []}],
        {},
    ],
)
def test_a_wrong_file_of_credentials_is_refused_without_its_content(tmp_path: Path, entries: Any) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=".") as raised:
        Credentials.load(path)
    assert SECRET not in str(raised.value)


async def test_health_tells_a_live_process_from_a_ready_one(tmp_path: Path) -> None:
    health = Health(timeout_s=0.05)
    app = application(tmp_path, health=health)

    async def well() -> str | None:
        return None

    async def behind() -> str | None:
        return "12 records behind"

    async def hangs() -> str | None:
        await asyncio.Event().wait()
        return None

    async def raises() -> str | None:
        raise RuntimeError(SECRET)

    async with client_of(app) as client:
        assert (await client.get("/health/ready")).json() == {"status": "ok", "checks": {}}
        health.add("loop", well, live=True)
        health.add("relay", behind)
        assert (await client.get("/health/live")).status_code == 200
        answer = await client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"]["relay"] == {"ok": False, "detail": "12 records behind"}
        assert answer.json()["checks"]["loop"] == {"ok": True, "detail": None}
        health.add("relay", hangs)
        health.add("database", raises)
        checks = (await client.get("/health/ready")).json()["checks"]
        assert checks["relay"]["detail"] == "no answer within 0.05 s"
        assert checks["database"] == {"ok": False, "detail": "RuntimeError"}


async def test_documentation_describes_problems_and_can_be_turned_off(tmp_path: Path) -> None:
    async with client_of(application(tmp_path)) as client:
        document = (await client.get("/openapi.json")).json()
        answers = document["paths"]["/loans"]["post"]["responses"]
        assert "application/problem+json" in answers["default"]["content"]
        assert "422" not in answers
        assert document["components"]["schemas"]["Problem"]["required"] == ["type", "title", "status"]
    async with client_of(application(tmp_path, docs=False)) as client:
        for path in ("/docs", "/openapi.json", "/redoc"):
            problem_of(await client.get(path), 404)


async def test_the_documentation_page_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(needed) == 3
    for address in needed:
        assert not address.startswith(("http", "//"))
        assert (await client.get(f"/{address}")).status_code == 200, address
    assert "url: 'openapi.json'" in page.text


async def test_metrics_are_shown_only_where_they_are_wanted(tmp_path: Path) -> None:
    telemetry = build("library", exporters=[])
    async with client_of(application(tmp_path, telemetry=telemetry)) as client:
        await client.get("/problem")
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        assert 'http_route="/problem"' in answer.text
        assert "/metrics" not in answer.text
    async with client_of(application(tmp_path, telemetry=telemetry, metrics=False)) as client:
        problem_of(await client.get("/metrics"), 404)
