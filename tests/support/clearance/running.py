"""The clearance as it runs, over a real broker and a real database, asked over HTTP."""

import io
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import openpyxl

from deploy.local.servers.kafka import RunningKafka
from schemas.codec import read
from schemas.events import CaseChanged
from services.clearance.app import clearance_app
from services.clearance.settings import ClearanceSettings
from services.kit.http.access.auth import token_sha256
from services.kit.names import APPROVER, FORGETTING, FORM_VOID, OPERATOR, ROSTER, desk_role
from services.kit.observability import telemetry
from tests.support.clearance.fixture import ClearanceFixture, clearance_fixture
from tests.support.kafka.topics import everything
from tests.support.waiting import eventually

ROLES = {
    "school": [ROSTER],
    "operator": [OPERATOR],
    "library": [desk_role("library")],
    "everything": [ROSTER, OPERATOR, APPROVER, FORM_VOID, FORGETTING],
}
CHINESE = {
    "student_id": "学号",
    "name": "姓名",
    "gender": "性别",
    "college": "学院",
    "major": "专业",
    "grade": "现在年级",
    "enrolled_on": "入学日期",
    "leave_category": "离校类别",
}


class Service:
    """The running service, and the clearance around it."""

    def __init__(self, clearance: ClearanceFixture, http: httpx.AsyncClient) -> None:
        self.clearance, self.http = clearance, http

    async def ask(self, method: str, path: str, *, who: str = "school", **options: Any) -> httpx.Response:
        return await self.http.request(method, path, headers={"Authorization": f"Bearer token-of-{who}"}, **options)

    async def put(self, person: dict[str, str]) -> dict[str, Any]:
        answer = await self.ask("PUT", "/cases", json=person)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def announced(self, student_id: str) -> list[CaseChanged]:
        """What the relay has put on the case topic about a student, in order."""
        found = await everything(self.clearance.kafka, self.clearance.topics.case)
        events = [read(record.value, record.headers) for record in found if record.key == student_id.encode()]
        return [event for event in events if isinstance(event, CaseChanged)]

    async def imported(self, name: str, content: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Send a file, wait for its end: the job, and the results of its rows."""
        answer = await self.ask("POST", "/imports", files={"file": (name, content)})
        assert answer.status_code == 202, answer.text
        job = answer.json()["job_id"]

        async def ended() -> bool:
            state = (await self.ask("GET", f"/imports/{job}")).json()["state"]
            return state in ("finished", "done", "completed")

        await eventually(ended, what="the end of the import")
        rows = (await self.ask("GET", f"/imports/{job}/rows")).json()["rows"]
        return (await self.ask("GET", f"/imports/{job}")).json(), rows


@asynccontextmanager
async def running_clearance(database: str, kafka: RunningKafka, namespace: str, folder: Path) -> AsyncIterator[Service]:
    """`folder`: of credentials and keys."""
    entries = [
        {"name": name, "token_sha256": token_sha256(f"token-of-{name}"), "roles": roles}
        for name, roles in ROLES.items()
    ]
    credentials = folder / "credentials.json"
    credentials.write_text(json.dumps(entries))
    settings = ClearanceSettings(
        **kafka.address.settings(),
        database=database,
        namespace=namespace,
        credentials=credentials,
        keys=folder / "keys",
    )
    async with clearance_fixture(database, kafka.address, namespace) as clearance:
        app = clearance_app(settings, traced=telemetry.build("test", exporters=[]))
        async with app.router.lifespan_context(app):
            # The operator's port has the service too.
            transport = httpx.ASGITransport(app.state.operator)
            async with httpx.AsyncClient(transport=transport, base_url="http://clearance") as http:
                yield Service(clearance, http)


def person(**other: str) -> dict[str, str]:
    return {
        "student_id": f"TS{secrets.token_hex(6).upper()}",
        "name": "林知远",
        "gender": "男",
        "college": "信息与控制工程学院",
        "major": "控制科学与工程",
        "grade": "2023级",
        "enrolled_on": "2023-09-01",
        "leave_category": "毕业离校",
        **other,
    }


async def state(service: Service, who: dict[str, str]) -> str | None:
    answer = await service.ask("POST", "/cases/query", json={"student_id": who["student_id"]})
    return str(answer.json()["state"]) if answer.status_code == 200 else None


def roster_file(kind: str, people: list[dict[str, str]]) -> bytes:
    if kind == "jsonl":
        return "\n".join(json.dumps(who, ensure_ascii=False) for who in people).encode()
    table = [list(CHINESE.values()), *([who[name] for name in CHINESE] for who in people)]
    if kind == "csv":
        return "\ufeff".encode() + "\r\n".join(",".join(row) for row in table).encode()
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in table:
        sheet.append([date.fromisoformat(cell) if cell == "2023-09-01" else cell for cell in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
