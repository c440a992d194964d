"""What the twin is measured against besides a constant: the same data by the frameworks' own means, and by SQL alone.

The idiomatic application reads what the gateway reads, a query for each thing, into pydantic models. It knows neither
languages nor sentences nor waivers, and limits nobody: so it does less.
"""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import asyncpg
from fastapi import Cookie, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, JsonValue

from deploy.local.servers.postgres_binaries import wheel_installation
from services.gateway.read_model.student_statements import STUDENTS_WITHOUT_MORE
from services.gateway.tables.sessions.session import hashed
from services.gateway.web.cookies import SESSION_COOKIE

PEER: Final = "/case"
SCRIPTS: Final = 64
"""Students of pgbench; it takes 128 scripts at most."""
CLIENTS: Final = 8
FRESH: Final = timedelta(seconds=60)


class Reason(BaseModel):
    code: str
    parameters: dict[str, str | int] = {}


class ReportedCheck(BaseModel):
    check: str
    verdict: str
    reasons: list[Reason] = []
    facts: dict[str, JsonValue] = {}


class Status(BaseModel):
    version: int
    occurred_at: datetime
    cause: Reason
    checks: list[ReportedCheck]


class Check(ReportedCheck):
    department: str
    state: str
    version: int
    occurred_at: datetime
    received_at: datetime
    alive_as_of: datetime | None


class Command(BaseModel):
    department: str
    name: str
    state: str
    asked_at: datetime


class Form(BaseModel):
    form_number: str
    accepted_at: datetime
    voided_at: datetime | None


class CaseOut(BaseModel):
    student_id: str
    state: str
    name: str | None
    gender: str | None
    grade: str | None
    college: str | None
    major: str | None
    enrolled_on: date | None
    leave_category: str | None
    opened_on: date | None
    checks: list[Check]
    attempt: str | None
    forms: list[Form]
    commands: list[Command]


def idiomatic(own_dsn: str, view_dsn: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(own_dsn) as own, asyncpg.create_pool(view_dsn) as view:
            app.state.own, app.state.view = own, view
            yield

    app = FastAPI(lifespan=lifespan)
    app.get(PEER, response_model=CaseOut)(_case)
    return app


async def _student(request: Request, session: Annotated[str, Cookie(alias=SESSION_COOKIE)]) -> str:
    row = await request.app.state.own.fetchrow(
        "SELECT student_id FROM session WHERE id_hash = $1 AND expires_at > now()", hashed(session)
    )
    if row is None or row["student_id"] is None:
        raise HTTPException(401)
    return str(row["student_id"])


async def _case(request: Request, student_id: Annotated[str, Depends(_student)]) -> CaseOut:
    view, own = request.app.state.view, request.app.state.own
    case = await view.fetchrow("SELECT * FROM published.case_v1 WHERE student_id = $1", student_id)
    if case is None:
        raise HTTPException(404)
    statuses = await view.fetch(
        "SELECT department, status, heard_at, readable, alive_as_of FROM published.status_v1"
        " WHERE student_id = $1 ORDER BY department",
        student_id,
    )
    attempt = await view.fetchval(
        "SELECT state FROM published.attempt_v1 WHERE student_id = $1 ORDER BY opened_at DESC LIMIT 1", student_id
    )
    forms = await view.fetch(
        "SELECT form_number, accepted_at, voided_at FROM published.submission_v2 WHERE student_id = $1"
        " ORDER BY accepted_at",
        student_id,
    )
    commands = await own.fetch(
        "SELECT DISTINCT ON (department, name) department, name, state, asked_at FROM command"
        " WHERE student_id = $1 ORDER BY department, name, asked_at DESC",
        student_id,
    )
    return CaseOut(
        **{name: case[name] for name in CaseOut.model_fields if name in case},
        checks=[check for row in statuses for check in _checks(row)],
        attempt=attempt,
        forms=[Form.model_validate(dict(row)) for row in forms],
        commands=[Command.model_validate(dict(row)) for row in commands],
    )


def _checks(row: "asyncpg.Record") -> list[Check]:
    status = Status.model_validate(json.loads(row["status"]))
    fresh = row["alive_as_of"] is not None and row["alive_as_of"] > datetime.now(UTC) - FRESH
    return [
        Check(
            **one.model_dump(),
            department=row["department"],
            state=one.verdict if row["readable"] and fresh else "waiting",
            version=status.version,
            occurred_at=status.occurred_at,
            received_at=row["heard_at"],
            alive_as_of=row["alive_as_of"],
        )
        for one in status.checks
    ]


def pgbench_rate(dsn: str, students: list[str], folder: Path, *, seconds: int) -> float:
    """Reads a second of one process of pgbench, by the gateway's own statement for one student each."""
    scripts: list[str] = []
    for number, student_id in enumerate(students[:SCRIPTS]):
        path = folder / f"read-{number}.sql"
        path.write_text(STUDENTS_WITHOUT_MORE.replace("$1", f"ARRAY['{student_id}']") + ";\n", "utf-8")
        scripts += ["-f", str(path)]
    server = urlsplit(dsn)
    command: list[Any] = [wheel_installation() / "bin" / "pgbench", "-n", "-M", "prepared", "-c", CLIENTS, "-j", 1]
    done = subprocess.run(
        [*map(str, command), "-T", str(seconds), *scripts, server.path[1:]],
        env={
            "PGHOST": server.hostname or "",
            "PGPORT": str(server.port),
            "PGUSER": server.username or "",
            "PGPASSWORD": server.password or "",
            "PGOPTIONS": "-c plan_cache_mode=force_generic_plan -c random_page_cost=1.1 -c enable_seqscan=off",
        },
        capture_output=True,
        text=True,
        timeout=60 + seconds,
        check=True,
    )
    (rate,) = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("tps = ")]
    return float(rate)
