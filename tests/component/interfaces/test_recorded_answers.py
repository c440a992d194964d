"""The answers in the OpenAPI documents are what the services answer: nearly every operation is asked, and compared."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from schemas.flows import CLEARANCE, NOTICES
from services.clearance.app import interface_of_clearance
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.clearance.parts import roster_of
from services.clearance.roster.api import roster_import
from services.clearance.settings import ClearanceSettings
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.department.examples import load_examples
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.department.service import interface_of_department
from services.kit.imports.worker import ImportWorker
from services.kit.manifests import SERVICES, discover
from services.kit.messaging.outbox import Wakeup
from services.kit.names import APPROVER, CONTACTS, FORGETTING, FORM_VOID, OPERATOR, REMINDERS, ROSTER, desk_role
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.settings import Settings
from services.notices.app import interface_of_notices
from services.notices.migration_folders import NOTICE_FOLDERS
from services.notices.settings import NoticeSettings
from tests.component.interfaces.conftest import Compare
from tests.support.credentials import credentials
from tests.support.departments.desks import open_case, rules_of
from tests.support.gateway.server import NO_BROKER
from tests.support.interfaces.recorder import Recorder

STUDENT: Final = "TS20260001"
UNASKED: Final = {
    "verify-audit",  # asks Kafka
    "release-hold", "dead-letter", "replay-dead-letter", "discard-dead-letter",  # of what goes wrong elsewhere
    "import-rejected",  # a file
}  # fmt: skip
"""Operations without an answer in the documents."""
PROPOSING: Final = {"roster": ROSTER, "voider": FORM_VOID, "forgetter": FORGETTING}
Roles = Mapping[str, Sequence[str]]


class Caller:
    """Asks a service with tokens and notes what it answers."""

    def __init__(self, app: FastAPI, roles: Roles) -> None:
        app.state.credentials = credentials(**{name: (name, list(of_one)) for name, of_one in roles.items()})
        self.recorder = Recorder(app.openapi())
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
        self._keys = iter(range(1, 1000))

    async def ask(
        self, account: str, name: str, method: str, path: str, body: Any = None, **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {account}", "Idempotency-Key": f"key-{next(self._keys):08}"}
        content = {} if body is None else {"json": body}
        answer = await self.http.request(method, path, headers=headers, **content, **options)
        return self.recorder.note(name, answer)

    def all_but(self, unasked: set[str]) -> None:
        """Every operation was asked."""
        assert self.recorder.operations - self.recorder.answers.keys() == unasked & self.recorder.operations


@asynccontextmanager
async def pool_of(database: str, folders: Sequence[Path]) -> "AsyncIterator[asyncpg.Pool[Any]]":
    await migrate(database, list(folders))
    pool = await open_pool(database, name="test-interfaces")
    yield pool
    await pool.close()


async def operators(caller: Caller) -> None:
    """What every service answers operators."""
    await caller.ask("operator", "no token was made yet", "GET", "/tokens")
    await caller.ask("operator", "nothing is signed here", "GET", "/keys")
    await caller.ask("operator", "the newest entry", "POST", "/audit/query", {"limit": 1})
    await caller.ask("nobody", "an unknown token", "GET", "/keys")
    await caller.ask("stranger", "another role", "GET", "/keys")
    await caller.ask("operator", "a field that is none", "POST", "/audit/query", {"student": STUDENT})


@pytest.mark.parametrize("department", discover())
async def test_a_department_answers_as_its_document_shows(database: str, department: str, compare: Compare) -> None:
    rules, examples = rules_of(department), load_examples(SERVICES / department)
    settings = Settings(database=database, kafka=NO_BROKER, credentials=None)
    desk_name = f"{department}-desk"
    async with pool_of(database, DEPARTMENT_FOLDERS) as pool:
        app = interface_of_department(rules, settings, pool)
        desk = Desk(rules, pool, settings.topics, Wakeup(), discover()[department])
        await open_case(desk, STUDENT)
        roles = {desk_name: [desk_role(department)], "operator": [OPERATOR], "stranger": ["roster"]}
        caller = Caller(app, roles)

        async def ask(name: str, method: str, path: str, body: Any = None, **options: Any) -> Any:
            return (await caller.ask(desk_name, name, method, path, body, **options)).json()

        load = await ask(
            "the list is complete", "POST", "/coverage", {"cohort": "2026", "as_of": "2026-06-01T00:00:00Z"}
        )
        record = {"student_id": STUDENT, "record": examples.records[0]}
        for operation, bodies in examples.operations.items():
            answer = await caller.ask(
                desk_name, "as its request's example", "POST", f"/operations/{operation}", bodies[0]
            )
            if answer.status_code == 409:
                await ask("replaced", "PUT", "/records", record)
                await ask("on another record", "POST", f"/operations/{operation}", bodies[0])
        await ask("replaced", "PUT", "/records", record)
        about: dict[str, Any] = {"student_id": STUDENT}
        await ask("as it is", "POST", "/records/query", about)
        await ask("something is on record", "POST", "/records/nothing", about)
        await ask("nothing is on record", "POST", "/records/nothing", {"student_id": "TS20260002"})
        history = await ask("what was done", "POST", "/records/history", about)
        (entry, *_) = (one["entry_id"] for one in reversed(history["entries"]) if one["undo"] != "not-offered")
        await ask("taken back, or refused", "POST", "/records/undo", {**about, "entry_id": entry, "reason": "误操作"})
        await ask("what can be done", "GET", "/operations")
        await ask("written", "POST", "/notes", {**about, "text": "已电话联系"})
        await ask("all of them", "POST", "/notes/query", about)
        await evidence(ask, load["load_id"])
        await imports(caller, desk)
        await caller.ask("operator", "none", "GET", "/holds")
        await caller.ask("operator", "none", "GET", "/dead-letters")
        await caller.ask("operator", "the newest", "POST", "/statuses/query", about)
        await republications(caller)
        await operators(caller)
        caller.all_but(UNASKED)
        compare(department, caller.recorder)


async def evidence(ask: Any, load_id: str) -> None:
    await ask("newest first", "GET", "/coverage")
    await ask("withdrawn", "POST", "/coverage/withdraw", {"load_id": load_id, "reason": "名单有误"})
    await ask("none", "GET", "/questions/count")
    await ask("none", "GET", "/questions")
    await ask("no such question", "POST", "/questions/end", {"question_id": 1, "reason": "文件发错"})


async def imports(caller: Caller, desk: Desk[Any]) -> None:
    department, examples = discover()[desk.rules.name], load_examples(SERVICES / desk.rules.name)
    rows: list[dict[str, Any]] = [*examples.rows, {"student_id": "TS 2026"}]
    file = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()
    await file_of_rows(caller, f"{department.name}-desk", file)
    await ImportWorker(department_import(desk, department, examples), desk.pool, Wakeup()).work()
    await results(caller, f"{department.name}-desk")


async def file_of_rows(caller: Caller, account: str, content: bytes) -> None:
    headers = {"Authorization": f"Bearer {account}", "Content-Type": "application/x-ndjson"}
    for name, path in (("what it would do", "/imports/preview"), ("taken", "/imports")):
        answer = await caller.http.post(path, content=content, headers=headers)
        caller.recorder.note(name, answer)
    wrong = await caller.http.post("/imports", content=b"%PDF-", headers={**headers, "Content-Type": "application/pdf"})
    caller.recorder.note("a file that is none of rows", wrong)


async def results(caller: Caller, account: str) -> None:
    listed = (await caller.ask(account, "newest first", "GET", "/imports")).json()
    job_id = listed["jobs"][0]["job_id"]
    await caller.ask(account, "done", "GET", f"/imports/{job_id}")
    await caller.ask(account, "what became of each row", "GET", f"/imports/{job_id}/rows")
    await caller.ask(account, "no such import", "GET", "/imports/00000000-0000-4000-8000-000000000000")


async def republications(caller: Caller) -> None:
    asked = {"student_id": STUDENT, "reason": "恢复备份之后"}
    await caller.ask("operator", "asked for", "POST", "/republications", asked)
    await caller.ask("operator", "newest first", "GET", "/republications")
    await caller.ask("operator", "waiting", "GET", "/republications/1")


async def test_the_clearance_answers_as_its_document_shows(database: str, compare: Compare, tmp_path: Path) -> None:
    settings = ClearanceSettings(database=database, kafka=NO_BROKER, credentials=None, keys=tmp_path / "keys")
    async with pool_of(database, CLEARANCE_FOLDERS) as pool:
        app = interface_of_clearance(settings, pool)
        others = {"dean": [APPROVER], "operator": [OPERATOR], "stranger": ["desk:dorm"]}
        caller = Caller(app, {**{account: [role] for account, role in PROPOSING.items()}, **others})
        student = app.openapi()["components"]["schemas"]["Student"]["examples"][0]
        about = {"student_id": STUDENT}

        async def ask(name: str, method: str, path: str, body: Any = None) -> Any:
            return (await caller.ask("roster", name, method, path, body)).json()

        await ask("opened", "PUT", "/cases", student)
        await ask("as it is", "POST", "/cases/query", about)
        await ask("no such student", "POST", "/cases/query", {"student_id": "TS20269999"})
        await ask("what was done", "POST", "/cases/history", about)
        await former_numbers(ask, student)
        await proposals(caller, app.openapi())
        await ask("closed", "POST", "/cases/withdraw", about)
        await file_of_rows(caller, "roster", json.dumps(student, ensure_ascii=False).encode())
        rows = roster_import(roster_of(settings), after_commit=lambda: None)
        await ImportWorker(rows, pool, Wakeup()).work()
        await results(caller, "roster")
        await caller.ask("operator", "none yet", "GET", "/reconciliation")
        await caller.ask("operator", "none", "GET", "/reconciliation/findings")
        await caller.ask("operator", "none", "GET", "/dead-letters")
        await caller.ask("operator", "none was made yet", "GET", "/form-keys")
        await republications(caller)
        await operators(caller)
        caller.all_but(UNASKED)
        compare(CLEARANCE, caller.recorder)


async def former_numbers(ask: Any, student: Mapping[str, Any]) -> None:
    joined = {"student_id": STUDENT, "former_number": "BK20220007"}
    await ask("joined", "PUT", "/former-numbers", joined)
    await ask("one", "POST", "/former-numbers/query", {"student_id": STUDENT})
    await ask("removed", "POST", "/former-numbers/remove", joined)
    await ask("it was not joined", "POST", "/former-numbers/remove", joined)


async def proposals(caller: Caller, document: Mapping[str, Any]) -> None:
    """Each is proposed as in its example, by whoever may; the first is confirmed, another rejected."""
    shown_until, until = "2026-12-31", "2099-12-31"
    caller.recorder.known[until] = shown_until
    for path, methods in document["paths"].items():
        if not path.startswith("/approvals/propose/"):
            continue
        (example, *_) = methods["post"]["requestBody"]["content"]["application/json"]["examples"].values()
        body = json.loads(json.dumps(example["value"]).replace(shown_until, until))
        for account, role in PROPOSING.items():
            if f"`{role}`" in methods["post"]["description"]:
                await caller.ask(account, "as its request's example", "POST", path, body)
    await caller.ask("dean", "open ones", "GET", "/approvals")
    await caller.ask("dean", "of a student", "POST", "/approvals/query", {"student_id": STUDENT})
    await caller.ask("dean", "one", "GET", "/approvals/1")
    await caller.ask("dean", "there is none", "GET", "/approvals/99")
    await caller.ask("dean", "it took effect", "POST", "/approvals/1/confirm")
    await caller.ask("dean", "it ended without effect", "POST", "/approvals/2/reject", {"why": "证明材料不全"})
    await caller.ask("dean", "it has ended", "POST", "/approvals/2/confirm")
    await caller.ask("dean", "in force", "GET", "/exemptions")
    await caller.ask("dean", "of a student", "POST", "/exemptions/query", {"student_id": STUDENT})


async def test_the_notice_service_answers_as_its_document_shows(database: str, compare: Compare) -> None:
    settings = NoticeSettings(
        database=database, kafka=NO_BROKER, credentials=None, public_url="https://lixiao.example.edu",
        smtp_host="127.0.0.1", smtp_tls="none", mail_from="离校 <lixiao@example.edu>",
    )  # fmt: skip
    async with pool_of(database, NOTICE_FOLDERS) as pool:
        app = interface_of_notices(settings, pool)
        roles = {"addresses": [CONTACTS], "gateway": [REMINDERS], "operator": [OPERATOR], "stranger": ["roster"]}
        caller = Caller(app, roles)
        about = {"student_id": STUDENT}
        await caller.ask("addresses", "none is kept", "POST", "/contacts/query", about)
        await caller.ask("addresses", "kept", "PUT", "/contacts", {**about, "mail": "lin@stu.example.edu"})
        await caller.ask("addresses", "one is kept", "POST", "/contacts/query", about)
        drafted = {"students": [{**about, "checks": {"library": ["borrowing"]}}]}
        await caller.ask("gateway", "one student", "POST", "/reminders/preview", drafted)
        unknown = {"reminder_id": "3f0c8a52-3a0c-4a6e-9f43-2d7a53a1f0aa"}
        await caller.ask("gateway", "none was sent yet", "POST", "/reminders/query", unknown)
        await operators(caller)
        caller.all_but(UNASKED)
        compare(NOTICES, caller.recorder)
