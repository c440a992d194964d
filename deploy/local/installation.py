"""Running services with students, operated at their desks, for benches and tests."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import uuid4

import httpx

from deploy.local.http_clients import KEPT_BRIEFLY, local_client
from deploy.local.identity.people import Person
from deploy.local.running_services import RunningServices, kind_of
from deploy.local.services import ROOT
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.kafka.connection import KafkaConnection
from services.kit.manifests import discover
from services.kit.names import CONTACTS, OPERATOR, ROSTER

PEOPLE: Final = 80
ENROLLED_AT_ONCE: Final = 60
"""After a kill a department gets new cases only once its group session has expired."""
SESSION_TIMEOUT_S: Final = "6"
"""The least a broker accepts by default."""
POLL_S: Final = 0.05
HELD_TIMEOUT_S: Final = 30.0
NOWHERE: Final = "http://127.0.0.1:9"
Versions = dict[str, tuple[int, str]]
"""Student → version and JSON of a department's newest status."""


class Installation(RunningServices):
    """In a namespace of its own, with an HTTP client for each desk."""

    limits: ClassVar[httpx.Limits] = KEPT_BRIEFLY

    def __init__(
        self,
        folder: Path,
        *,
        postgres: str,
        kafka: KafkaConnection,
        zipkin: str | None = None,
        settings: Mapping[str, str] | None = None,
        root: Path = ROOT,
        covered: bool = True,
    ) -> None:
        """As RunningServices; without `zipkin` there are no traces. `covered`: departments vouch for every student."""
        super().__init__(
            folder,
            postgres=postgres,
            kafka=kafka,
            zipkin=zipkin or NOWHERE,
            namespace=f"t{secrets.token_hex(4)}",
            departments=discover(root / "services"),
            people=[Person(sub=f"u-{number}", name="甲某", student_id=new_student_id()) for number in range(PEOPLE)],
            settings={
                "OTEL_TRACES_EXPORTER": "zipkin" if zipkin else "none",
                "LIXIAO_SESSION_TIMEOUT_S": SESSION_TIMEOUT_S,
                **(settings or {}),
            },
            root=root,
        )
        self._to_cover = set(self.departments) if covered else set()
        self._free = iter(tuple(self.people))
        self._enrolled: list[str] = []
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        await super().close()

    def client(self, name: str, account: str = "") -> httpx.AsyncClient:
        """By default as the process's own desk."""
        key = f"{name} {account}"
        if key not in self._clients:
            account = account or {CLEARANCE: ROSTER, GATEWAY: OPERATOR, NOTICES: CONTACTS}.get(
                kind_of(name), kind_of(name)
            )
            headers = {"Authorization": f"Bearer {self.accounts.token(account)}"}
            self._clients[key] = local_client(self.address(name), headers=headers, timeout=30, limits=self.limits)
        return self._clients[key]

    async def ready(self, name: str) -> None:
        await super().ready(name)
        if name in self._to_cover:
            await self.cover(name)
            self._to_cover.discard(name)

    async def cover(self, department: str, cohort: str = "*") -> None:
        """Declare that the department's list is complete."""
        body = {"cohort": cohort, "as_of": datetime.now(UTC).isoformat()}
        answer = await self.client(department).post("/coverage", json=body)
        # A tree from before covering loads vouches for everybody.
        assert answer.status_code in (200, 201, 404), answer.text

    async def operate(self, department: str, operation: str, **body: Any) -> dict[str, Any]:
        answer = await self.client(department).post(
            f"/operations/{operation}", json=body, headers={"Idempotency-Key": str(uuid4())}
        )
        assert answer.status_code == 200, answer.text
        answered: dict[str, Any] = answer.json()
        return answered

    async def put(self, department: str, student_id: str, record: Mapping[str, Any]) -> None:
        """Again while the desk says that the record is held, or that it still reads."""
        body, deadline_s = {"student_id": student_id, "record": record}, time.monotonic() + HELD_TIMEOUT_S
        answer = await self.client(department).put("/records", json=body)
        while answer.status_code == 423 and time.monotonic() < deadline_s:
            await asyncio.sleep(0.2)
            answer = await self.client(department).put("/records", json=body)
        assert answer.status_code == 200, answer.text

    async def enrol(
        self,
        student_id: str = "",
        *,
        name: str = "甲某",
        leave_category: str = "毕业离校",
        cohort: str | None = None,
    ) -> str:
        """Returns the student id."""
        student_id = student_id or new_student_id()
        body = {
            "student_id": student_id,
            "name": name,
            "gender": "女",
            "college": "示例学院",
            "major": "示例专业",
            "grade": "2023级",
            "enrolled_on": "2023-09-01",
            "leave_category": leave_category,
            "cohort": cohort,
        }
        answer = await self.client(CLEARANCE).put("/cases", json=body)
        assert answer.status_code == 200, answer.text
        return student_id

    async def published(self, department: str) -> Versions:
        rows = await (await self.database(department)).fetch(
            "SELECT student_id, status_version, status FROM record WHERE status IS NOT NULL"
        )
        return {row["student_id"]: (row["status_version"], row["status"]) for row in rows}

    async def viewed(self, department: str) -> Versions:
        rows = await (await self.database(CLEARANCE)).fetch(
            "SELECT student_id, version, status FROM status WHERE department = $1 AND version > 0", department
        )
        return {row["student_id"]: (row["version"], row["status"]) for row in rows}

    async def in_step(self, *departments: str, students: Collection[str] | None = None, timeout_s: float = 30) -> None:
        """Wait until the view equals each department's newest statuses."""
        for department in departments or self.departments:
            published = _of(await self.published(department), students)

            async def equal(department: str = department, published: Versions = published) -> bool:
                return _of(await self.viewed(department), students) == published

            await until(equal, f"the view to equal what {department} published", timeout_s)

    async def opened(self, department: str, students: Collection[str], timeout_s: float = 30) -> None:
        """Wait for a first status of each student."""

        async def published() -> bool:
            return (await self.published(department)).keys() >= set(students)

        await until(published, f"first statuses of {department}", timeout_s)

    async def students(self, count: int) -> list[str]:
        """Each given out once, with a status of the library in the view."""
        if len(self._enrolled) < count:
            self._enrolled += [await self.enrol() for _ in range(ENROLLED_AT_ONCE)]
            await self.opened("library", self._enrolled)
        await self.in_step("library")
        given, self._enrolled = self._enrolled[:count], self._enrolled[count:]
        return given

    def person(self) -> Person:
        """Each given out once."""
        return next(self._free)

    async def health(self, name: str, kind: str) -> tuple[int, dict[str, Any]]:
        """By part, as operators see it."""
        answer = await self.client(name).get(f"{self.operator_address(name)}/health/{kind}")
        return answer.status_code, answer.json()


def new_student_id() -> str:
    return f"TS{secrets.randbelow(10**10):010d}"


def _of(versions: Versions, students: Collection[str] | None) -> Versions:
    return versions if students is None else {one: versions[one] for one in students if one in versions}


async def until(is_true: Callable[[], Awaitable[bool]], what: str, timeout_s: float) -> None:
    """Poll. Raises TimeoutError naming `what`."""
    deadline_s = time.monotonic() + timeout_s
    while not await is_true():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        await asyncio.sleep(POLL_S)
