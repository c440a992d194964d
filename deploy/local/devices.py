"""Signed-in browsers as HTTP clients, without the sign-in itself."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx

from deploy.local.http_clients import known_authorities
from services.gateway.tables.sessions.session_table import Sessions
from services.gateway.web.cookies import SESSION_COOKIE

ANSWER_TIMEOUT_S: Final = 60.0


class Device:
    """Has an IP address of its own."""

    def __init__(self, student_id: str, session_id: str, csrf: str, number: int) -> None:
        self.student_id = student_id
        self._headers = {
            "cookie": f"{SESSION_COOKIE}={session_id}",
            "x-csrf-token": csrf,
            "sec-fetch-site": "same-origin",
        }
        transport = httpx.AsyncHTTPTransport(
            local_address=f"127.0.{1 + number // 250}.{1 + number % 250}", verify=known_authorities()
        )
        self._http = httpx.AsyncClient(transport=transport, timeout=ANSWER_TIMEOUT_S)

    async def submit(self, gateway: str) -> httpx.Response:
        return await self._http.post(f"{gateway}/api/v1/submission", headers=self._headers)

    async def read(self, gateway: str) -> httpx.Response:
        return await self._http.get(f"{gateway}/api/v1/submission", headers=self._headers)

    async def close(self) -> None:
        await self._http.aclose()


async def devices(pool: "asyncpg.Pool[Any]", students: Sequence[str]) -> list[Device]:
    """`pool`: the gateway's database. A student may be named often."""
    sessions = Sessions(pool, idle_s=3600, life_s=3600)
    signed_in = []
    for number, student_id in enumerate(students):
        session_id = await sessions.start(
            student_id=student_id,
            issuer="https://sign-in.example",
            subject=str(uuid4()),
            authenticated_at=datetime.now(UTC),
            old=None,
        )
        session = await sessions.find(session_id)
        assert session is not None
        signed_in.append(Device(student_id, session_id, session.csrf, number))
    return signed_in
