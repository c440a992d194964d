"""A service with routes that go wrong in every way."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Literal

import asyncpg
import httpx
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, field_validator

from schemas.events import StudentId
from services.kit.http.access.auth import Credentials, Principal, require, token_sha256
from services.kit.http.app import create_app
from services.kit.http.problems import FieldProblem, Problem
from services.kit.names import desk_role
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

    @router.post("/desk/files", max_body_size=20 * 1024 * 1024)
    async def file(request: Request, principal: Annotated[Principal, Depends(require(desk_role("library")))]) -> int:
        return len(await request.body())

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


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:lixiao:problem:")
    assert document["title"]
    return document
