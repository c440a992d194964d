"""A gateway on a real port with real databases, a read model to fill, and an identity provider to sign in at."""

import asyncio
import json
import logging
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import httpx
import structlog
from fastapi import FastAPI
from joserfc.jwk import OKPKey
from pydantic import SecretStr

from deploy.local.identity.app import Provider, create_app
from deploy.local.identity.pages import Pages
from deploy.local.identity.people import Person
from deploy.local.identity.settings import Client
from schemas.codec import read
from schemas.events import AttestationGiven, AttestationOutcome, CertificateIssueAsked, Reason, StatusChanged
from services.clearance import issues, receipts
from services.clearance.cases import Student
from services.clearance.keys import public_jwk
from services.gateway.app import gateway_app
from services.gateway.sessions import COOKIE
from services.gateway.settings import GatewaySettings
from services.kit import telemetry
from services.kit.form_numbers import CODES, NUMBERS, form_number, verification_code
from services.kit.receipts import ALGORITHM
from tests.component.live_server import live_server
from tests.unit import gateway_samples as samples

Headers = Mapping[str, str] | None
SECRET = "a secret of the test"
NO_BROKER = "127.0.0.1:9"
"""Nothing listens there: what is asked waits in the outbox, where a test can look at it."""


def new_student() -> str:
    return f"TS{secrets.token_hex(5).upper()}"


@dataclass(frozen=True)
class Gate:
    """A running gateway. `provider` is where people sign in."""

    address: str
    database: str
    read_model: str
    people: tuple[Person, ...]


@contextmanager
def running_gateway(database: str, read_model: str, people: tuple[Person, ...], **changes: Any) -> Iterator[Gate]:
    """A gateway and its identity provider, both on ports of their own, that say nothing.

    They have no broker, would say so all the time, and a traceback in structlog's own colours takes its loop seconds.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # Each must know the other's address, so the provider moves into its server once the gateway has one.
    provider = FastAPI(openapi_url=None)
    with live_server(lambda _: provider) as issuer:

        def app(address: str) -> FastAPI:
            client = Client(
                client_id="gateway",
                client_secret=SecretStr(SECRET),
                redirect_uris=(f"{address}/sign-in/callback",),
                post_logout_redirect_uris=(f"{address}/signed-out",),
            )
            provider.mount("/", create_app(Provider(issuer, people, (client,), Pages("示例大学", "Example"))))
            given: dict[str, Any] = {
                "kafka": NO_BROKER,
                "database": database,
                "read_model": read_model,
                "public_url": address,
                "openid_issuer": issuer,
                "openid_client_id": "gateway",
                "openid_client_secret": SECRET,
                **changes,
            }
            return gateway_app(GatewaySettings(**given), traced=telemetry.build("test", exporters=[]))

        try:
            with live_server(app) as address:
                yield Gate(address, database, read_model, people)
        finally:
            structlog.reset_defaults()


class Browser:
    """An HTTP client that keeps cookies as a browser does on this machine: httpx drops Secure ones over plain http."""

    def __init__(self, gate: Gate, language: str = "zh-CN") -> None:
        self.gate = gate
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []
        self._http = httpx.AsyncClient(base_url=gate.address, timeout=20)
        self._headers = {"accept-language": language, "sec-fetch-site": "same-origin"}

    async def close(self) -> None:
        await self._http.aclose()

    def headers(self, more: Headers = None) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {**self._headers, "cookie": cookies, **(more or {})}

    async def get(self, address: str, headers: Headers = None) -> httpx.Response:
        return self._kept(await self._http.get(address, headers=self.headers(headers)))

    async def post(self, address: str, data: Headers = None, headers: Headers = None) -> httpx.Response:
        return self._kept(await self._http.post(address, data=data or {}, headers=self.headers(headers)))

    async def put(self, address: str, body: Any, headers: Headers = None) -> httpx.Response:
        return self._kept(await self._http.put(address, json=body, headers=self.headers(headers)))

    def stream(self, address: str) -> Any:
        return self._http.stream("GET", address, headers=self.headers({"accept": "text/event-stream"}))

    async def csrf(self) -> str:
        token: str = (await self.get("/api/v1/me")).json()["csrf"]
        return token

    async def sign_in(self, person: Person, place: str = "case") -> httpx.Response:
        """The whole way: the gateway, the provider's page, its button, the callback."""
        start = await self.get(f"/sign-in?next={place}")
        assert start.status_code == 303, start.text
        url = start.headers["location"]
        async with httpx.AsyncClient() as there:
            page = await there.get(url)
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
            origin = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
            chosen = await there.post(f"{origin}/sign-in", data={**fields, "sub": person.sub})
        query = parse_qs(urlsplit(chosen.headers["location"]).query)
        return await self.get(f"/sign-in/callback?code={query['code'][0]}&state={query['state'][0]}")

    def _kept(self, response: httpx.Response) -> httpx.Response:
        for line in response.headers.get_list("set-cookie"):
            self.set_cookies.append(line)
            name, _, value = line.split(";")[0].partition("=")
            value = value.strip('"')
            if value and "Max-Age=0" not in line:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return response

    @property
    def session_id(self) -> str | None:
        return self.cookies.get(COOKIE)


@dataclass(frozen=True)
class Signed:
    """A form as its student holds it."""

    student_id: str
    form_number: str
    code: str
    receipt: str
    qr_text: str
    kid: str


class Clearance:
    """What the clearance would have written: cases, words of departments, marks."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def open(
        self, student_id: str, *, state: str = "open", name: str = "欧阳𠮷㛃", category: str = "毕业离校"
    ) -> None:
        await self._run(
            """
            INSERT INTO student_case (student_id, version, state, name, gender, college, major, grade, enrolled_on,
                                      leave_category, cohort, opened_on, changed_at)
            VALUES ($1, 1, $2, $3, '女', '信息与控制工程学院', '控制科学与工程', '2023', $4, $5, '2026', $6, now())
            """,
            student_id,
            state,
            name,
            date(2023, 9, 1),
            category,
            date(2026, 6, 1),
        )

    async def say(self, student_id: str, department: str, checks: list[dict[str, Any]], version: int = 1) -> None:
        """A department's word, and a mark of this moment."""
        now = datetime.now(UTC)
        status = StatusChanged.model_validate(
            {
                "student_id": student_id,
                "department": department,
                "version": version,
                "occurred_at": now.isoformat(),
                "cause": Reason(code="record-replaced").model_dump(),
                "checks": checks,
            }
        )
        await self._run(
            """
            INSERT INTO status (student_id, department, version, occurred_at, heard_at, source_partition,
                                source_offset, status)
            VALUES ($1, $2, $3::int, $4, $4, 0, $3::int, $5)
            ON CONFLICT (student_id, department) DO UPDATE
            SET version = excluded.version, occurred_at = excluded.occurred_at, heard_at = excluded.heard_at,
                source_offset = excluded.source_offset, status = excluded.status
            """,
            student_id,
            department,
            version,
            now,
            status.model_dump_json(),
        )
        await self.alive(department)

    async def alive(self, department: str, at: datetime | None = None) -> None:
        await self._run(
            """
            INSERT INTO source (department, partition, alive_as_of, heard_at) VALUES ($1, 0, $2, $2)
            ON CONFLICT (department, partition) DO UPDATE SET alive_as_of = excluded.alive_as_of
            """,
            department,
            at or datetime.now(UTC),
        )

    async def all_clear(self, student_id: str) -> None:
        """Every department's word on the student is a pass."""
        for department, heard in samples.clear().heard.items():
            await self.say(student_id, department, json.loads(heard.status.model_dump_json())["checks"])

    async def all_clear_library(self, student_id: str, version: int) -> None:
        """The library's next word is a pass."""
        checks = json.loads(samples.library().status.model_dump_json())["checks"]
        await self.say(student_id, "library", checks, version)

    async def accept(self, student_id: str, number: str, code: str, qr_text: str) -> None:
        """The clearance accepted a submission on the newest words of all departments."""
        attempt_id = uuid4()
        facts = {
            name: {
                "version": heard.status.version,
                "attested_at": "2026-06-08T02:00:00.000000Z",
                "checks": [one.model_dump(mode="json") for one in heard.status.checks],
            }
            for name, heard in samples.clear().heard.items()
        }
        await self._run("UPDATE student_case SET state = 'completed', version = 2 WHERE student_id = $1", student_id)
        await self._run(
            """
            INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at)
            VALUES ($1, $2, 'accepted', $3, now(), now() + interval '10 min', now())
            """,
            attempt_id,
            student_id,
            sorted(facts),
        )
        kid = f"k-{attempt_id}"
        await self._run(
            "INSERT INTO signing_key (kid, public_jwk, retired_at) VALUES ($1, '{}', now())",
            kid,
        )
        await self._run(
            """
            INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text,
                                    kid)
            VALUES ($1, $2, $3, $4, now(), $5, 'a.b.c', $6, $7)
            """,
            student_id,
            attempt_id,
            number,
            code,
            json.dumps(facts),
            qr_text,
            kid,
        )

    async def accept_signed(self, student_id: str, *, name: str = "欧阳𠮷㛃") -> Signed:
        """An accepted submission as the clearance writes it: signed with a listed key, on every department's word."""
        now, attempt_id = datetime.now(UTC), uuid4()
        key = OKPKey.generate_key(ALGORITHM)
        kid = f"k-{secrets.token_hex(6)}"
        number = form_number(now.year, secrets.randbelow(NUMBERS))
        code = verification_code(secrets.randbelow(CODES))
        await self.open(student_id, state="completed", name=name)
        answers = {
            department: AttestationGiven(
                attempt_id=attempt_id,
                student_id=student_id,
                department=department,
                outcome=AttestationOutcome.CLEAR,
                version=heard.status.version,
                checks=heard.status.checks,
                attested_at=now,
            )
            for department, heard in samples.clear().heard.items()
        }
        student = Student(
            student_id=student_id,
            name=name,
            gender="女",
            college="信息与控制工程学院",
            major="控制科学与工程",
            grade="2023",
            enrolled_on=date(2023, 9, 1),
            leave_category="毕业离校",
        )
        payload = receipts.form_payload(
            form_number=number, code=code, attempt_id=attempt_id, accepted_at=now, student=student, answers=answers
        )
        receipt = receipts.signed(payload, key, kid)
        await self._run(
            """
            INSERT INTO attempt (attempt_id, student_id, state, required, opened_at, expires_at, ended_at)
            VALUES ($1, $2, 'accepted', $3, now(), now() + interval '10 min', now())
            """,
            attempt_id,
            student_id,
            sorted(answers),
        )
        # Retired at once, so that each test has its own: a retired key still verifies.
        await self._run(
            "INSERT INTO signing_key (kid, public_jwk, retired_at) VALUES ($1, $2, now())",
            kid,
            json.dumps(public_jwk(kid, key)),
        )
        await self._run(
            """
            INSERT INTO submission (student_id, attempt_id, form_number, code, accepted_at, facts, receipt, qr_text,
                                    kid)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            student_id,
            attempt_id,
            number,
            code,
            now,
            json.dumps(receipts.submission_facts(answers)),
            receipt.text,
            receipt.qr_text,
            kid,
        )
        assert receipt.qr_text is not None
        return Signed(student_id, number, code, receipt.text, receipt.qr_text, kid)

    async def revoke(self, kid: str) -> None:
        await self._run("UPDATE signing_key SET revoked_at = now() WHERE kid = $1", kid)

    async def edit_facts(self, student_id: str) -> None:
        """Somebody with every right on the database edits a record by hand, around its trigger."""
        await self._run("ALTER TABLE submission DISABLE TRIGGER never_changed")
        await self._run(
            "UPDATE submission SET facts = jsonb_set(facts, '{library,version}', '99') WHERE student_id = $1",
            student_id,
        )
        await self._run("ALTER TABLE submission ENABLE TRIGGER never_changed")

    async def take_away(self, student_id: str, department: str, *reasons: Reason, version: int = 9) -> None:
        """A pass taken away after the acceptance."""
        document = json.dumps([reason.model_dump(mode="json") for reason in reasons])
        await self._run(
            "INSERT INTO exception (student_id, department, version, reasons) VALUES ($1, $2, $3, $4)",
            student_id,
            department,
            version,
            document,
        )

    async def hear_issue(self, event: CertificateIssueAsked) -> None:
        """The clearance's own handler, in a transaction of its own as its inbox opens one."""
        connection = await asyncpg.connect(self._dsn)
        try:
            async with connection.transaction():
                await issues.asked(connection, event)
        finally:
            await connection.close()

    async def notify(self) -> None:
        await self._run("SELECT pg_notify('lixiao_view', '')")

    async def _run(self, statement: str, *values: Any) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()


@asynccontextmanager
async def carrying(gate: Gate, clearance: Clearance) -> AsyncIterator[None]:
    """What desks ask reaches the clearance while the block lasts, as over the broker."""

    async def carry() -> None:
        connection = await asyncpg.connect(gate.database)
        try:
            while True:
                rows = await connection.fetch("DELETE FROM outbox RETURNING value")
                events = [read(row["value"]) for row in rows]
                asked = [event for event in events if isinstance(event, CertificateIssueAsked)]
                await asyncio.gather(*(clearance.hear_issue(event) for event in asked))
                await asyncio.sleep(0.02)
        finally:
            await connection.close()

    task = asyncio.create_task(carry())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Events:
    """A stream of Server-Sent Events read one at a time."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self, timeout_s: float = 20) -> tuple[str, Any]:
        """The next event's name and data."""
        async with asyncio.timeout(timeout_s):
            name, data = "message", ""
            async for line in self._lines:
                if line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data += line[5:].strip()
                elif not line and data:
                    return name, json.loads(data)
        raise EOFError("the stream ended")
