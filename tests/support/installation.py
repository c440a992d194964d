"""A whole installation for tests: databases and topics of its own, real service processes, and a hand on each."""

import asyncio
import json
import random
import secrets
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg
import httpx

from deploy.local.credentials import Accounts
from deploy.local.identity.people import Person
from deploy.local.processes.ports import free_port
from deploy.local.processes.process import Process
from deploy.local.servers.postgres import dsn_of
from deploy.local.services import CLEARANCE, GATEWAY, IDENTITY, ROOT, UNIVERSITY, Servers, Service, ServiceProcesses
from schemas.topics import Topics
from services.clearance.view.projector import NAME as PROJECTOR
from services.kit.manifests import discover
from services.kit.provisioning.databases import create_databases
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.failpoints import EXIT_CODE
from tests.support.desks import some_student
from tests.support.gateway.server import Browser, Gate
from tests.support.kafka.topics import delete_topics
from tests.support.waiting import eventually

START_TIMEOUT_S: Final = 60
COMMAND_TIMEOUT_S: Final = 60
SESSION_TIMEOUT_S: Final = "6"
"""Tests kill many processes, and after each Kafka waits this long: the least that a broker takes unless told."""
NOWHERE: Final = "http://127.0.0.1:9"
BELOW_THE_KERNELS: Final = range(20_000, 32_000)
"""Ports the kernel gives to no outgoing connection, so that one stays free from its choice to its use."""
PEOPLE: Final = 80
AT_ONCE: Final = 60
"""Students enrolled ahead: a department whose process was killed hears of new ones only when its session has ended."""


Said = dict[str, tuple[int, str]]
"""Student → the version of a department's newest status, and that status."""


class Installation:
    """Everything of one installation. A process is named like its service; `clearance:2` is a second one of it."""

    living: Final[list["Installation"]] = []

    def __init__(
        self,
        folder: Path,
        *,
        postgres: str,
        kafka: str,
        zipkin: str | None = None,
        settings: Mapping[str, str] | None = None,
        root: Path = ROOT,
    ) -> None:
        """`settings` are variables for every service, `root` the tree whose code runs; without `zipkin` no traces."""
        self.folder, self.kafka, self.zipkin, self.root = folder, kafka, zipkin, root
        self.namespace = f"t{secrets.token_hex(4)}"
        self.topics = Topics(self.namespace)
        self.departments = discover(root / "services")
        self.people = [Person(sub=secrets.token_hex(4), name="甲某", student_id=some_student()) for _ in range(PEOPLE)]
        self._postgres = postgres
        self._settings = {
            "OTEL_TRACES_EXPORTER": "zipkin_json" if zipkin else "none",
            "LIXIAO_SESSION_TIMEOUT_S": SESSION_TIMEOUT_S,
            **(settings or {}),
        }
        self._accounts = Accounts(folder)
        names = (*self.departments, CLEARANCE, GATEWAY, IDENTITY)
        ports = {name: free_port(*random.sample(BELOW_THE_KERNELS, 5)) for name in names}
        self._fleet = ServiceProcesses(self.departments, ports, self._accounts)
        self._services: dict[str, Service] = {}
        self.processes: dict[str, Process] = {}
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._connections: dict[str, asyncpg.Connection[Any]] = {}
        self._handed_out = 0
        self._enrolled: list[str] = []

    async def provision(self) -> None:
        """Make databases, roles and topics, and know how each service is started."""
        self.living.append(self)
        made = await create_databases(
            self._postgres, self.departments, self.folder / "databases.json", namespace=self.namespace
        )
        await create_topics(self.kafka, self.topics, self.departments)
        self.know(made.secrets)

    def know(self, databases: Mapping[str, Mapping[str, str]]) -> None:
        """Take the services' variables from what provisioning gave."""
        people = self.folder / "people.json"
        people.write_text(json.dumps([person.model_dump() for person in self.people]))
        servers = Servers(self.kafka, self.zipkin or NOWHERE, databases, self.namespace)
        for service in self._fleet.services(servers, people, UNIVERSITY):
            environment = {**service.environment, **self._settings}
            self._services[service.name] = replace(service, environment=environment)

    async def start(self, *names: str, crashpoint: str = "", wait: bool = True) -> None:
        """Start processes side by side and wait until each is ready. With a `crashpoint` they end there."""
        for name in names:
            service = self._service(name)
            environment = {**service.environment, "LIXIAO_HTTP_PORT": str(service.port)}
            if crashpoint:
                environment["LIXIAO_CRASHPOINT"] = crashpoint
            process = Process(
                name,
                [sys.executable, "-m", service.module],
                log=self.folder / "logs" / f"{name.replace(':', '-')}.log",
                cwd=self.root,
                env=environment,
            )
            process.start()
            self.processes[name] = process
        for name in names if wait else ():
            await self.ready(name)

    async def ready(self, name: str) -> None:
        """Wait until a process says that every part of it answers."""
        process, service = self.processes[name], self._service(name)

        async def is_ready() -> bool:
            assert process.poll() is None, f"{name} ended with code {process.poll()}.{process.last_words()}"
            return await asyncio.to_thread(service.is_ready)

        await eventually(is_ready, what=f"{name} to be ready", timeout_s=START_TIMEOUT_S)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self.processes.pop(name).kill()

    def stop(self, name: str) -> int | None:
        """Ask it to end, and wait; its exit code."""
        process = self.processes.pop(name)
        process.stop()
        return process.poll()

    async def crashed(self, name: str) -> None:
        """Wait until a process has ended itself at its crashpoint."""
        process = self.processes[name]
        await eventually(lambda: process.poll() is not None, what=f"{name} to crash", timeout_s=START_TIMEOUT_S)
        assert process.poll() == EXIT_CODE, f"{name} ended with {process.poll()}.{process.last_words()}"
        self.kill(name)

    def command(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a service's command line to its end, with the service's environment."""
        service = self._service(name)
        return subprocess.run(
            [sys.executable, "-m", service.module, *arguments],
            cwd=self.root,
            env={**service.environment, "COLUMNS": "300"},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )

    async def health(self, name: str, kind: str) -> tuple[int, dict[str, Any]]:
        """Status and body of `/health/live` or `/health/ready`."""
        answer = await self.client(name).get(f"/health/{kind}")
        return answer.status_code, answer.json()

    def address(self, name: str) -> str:
        return self._service(name).address

    def client(self, name: str, account: str = "") -> httpx.AsyncClient:
        """HTTP to a process. A department's is its desk's; `account` is another of those the fleet knows."""
        key = f"{name} {account}"
        if key not in self._clients:
            account = account or {CLEARANCE: "roster", GATEWAY: "operator"}.get(_kind(name), _kind(name))
            headers = {"Authorization": f"Bearer {self._accounts.token(account)}"}
            self._clients[key] = httpx.AsyncClient(
                base_url=self.address(name), headers=headers, timeout=30, trust_env=False
            )
        return self._clients[key]

    async def act(self, department: str, operation: str, **body: Any) -> dict[str, Any]:
        """An operation at a department's desk."""
        answer = await self.client(department).post(
            f"/operations/{operation}", json=body, headers={"Idempotency-Key": str(uuid4())}
        )
        assert answer.status_code == 200, answer.text
        answered: dict[str, Any] = answer.json()
        return answered

    async def put(self, department: str, student_id: str, record: Mapping[str, Any]) -> None:
        """Replace a student's whole record."""
        answer = await self.client(department).put("/records", json={"student_id": student_id, "record": record})
        assert answer.status_code == 200, answer.text

    async def enrol(self, student_id: str = "", *, name: str = "甲某", leave_category: str = "毕业离校") -> str:
        """Put a student on the roster; the student's number."""
        student_id = student_id or some_student()
        body = {
            "student_id": student_id,
            "name": name,
            "gender": "女",
            "college": "示例学院",
            "major": "示例专业",
            "grade": "2023级",
            "enrolled_on": "2023-09-01",
            "leave_category": leave_category,
        }
        answer = await self.client(CLEARANCE).put("/cases", json=body)
        assert answer.status_code == 200, answer.text
        return student_id

    async def students(self, count: int) -> list[str]:
        """Students of the test's own, whose first word of the library is in the view."""
        if len(self._enrolled) < count:
            self._enrolled += [await self.enrol() for _ in range(AT_ONCE)]
            await self.opened("library", self._enrolled)
        await self.in_step("library")
        given, self._enrolled = self._enrolled[:count], self._enrolled[count:]
        return given

    def person(self) -> Person:
        """Somebody who can sign in and whom no other test was given."""
        self._handed_out += 1
        return self.people[self._handed_out - 1]

    async def browser(self, person: Person) -> Browser:
        """A browser in which `person` has signed in at the identity provider."""
        browser = Browser(Gate(self.address(GATEWAY), "", "", tuple(self.people)))
        answer = await browser.sign_in(person)
        assert answer.status_code == 303, answer.text
        return browser

    async def database(self, service: str) -> "asyncpg.Connection[Any]":
        """A superuser's connection to a service's database, kept for the tests."""
        connection = self._connections.get(service)
        if connection is None or connection.is_closed():
            connection = self._connections[service] = await self.connect(service)
        return connection

    async def connect(self, service: str) -> "asyncpg.Connection[Any]":
        """A superuser's connection of the caller's own."""
        return await asyncpg.connect(self.database_dsn(service), timeout=10)

    def database_dsn(self, service: str) -> str:
        """The superuser's DSN of a service's database."""
        return dsn_of(self._postgres, self._database_name(service))

    async def said(self, department: str) -> Said:
        """What a department's own database says it said last: of every student."""
        rows = await (await self.database(department)).fetch(
            "SELECT student_id, status_version, status FROM record WHERE status IS NOT NULL"
        )
        return {row["student_id"]: (row["status_version"], row["status"]) for row in rows}

    async def seen(self, department: str) -> Said:
        """What the view holds of a department: of every student."""
        rows = await (await self.database(CLEARANCE)).fetch(
            "SELECT student_id, version, status FROM status WHERE department = $1 AND version > 0", department
        )
        return {row["student_id"]: (row["version"], row["status"]) for row in rows}

    async def in_step(self, *departments: str, students: Collection[str] | None = None, timeout_s: float = 30) -> None:
        """Wait until the view says exactly what each department said last, of every student or of these."""
        for department in departments or self.departments:
            said = _of(await self.said(department), students)

            async def equal(department: str = department, said: Said = said) -> bool:
                return _of(await self.seen(department), students) == said

            await eventually(equal, what=f"the view to say what {department} said", timeout_s=timeout_s)

    async def opened(self, department: str, students: list[str], timeout_s: float = 30) -> None:
        """Wait until a department has given each of these students a first word."""

        async def first_words() -> bool:
            return (await self.said(department)).keys() >= set(students)

        await eventually(first_words, what=f"first words of {department}", timeout_s=timeout_s)

    @property
    def projector(self) -> str:
        """The projector's consumer group."""
        return self.topics.group(PROJECTOR)

    def logs(self) -> dict[str, str]:
        """What every process wrote."""
        return {file.stem: file.read_text("utf-8", "replace") for file in (self.folder / "logs").glob("*.log")}

    async def close(self) -> None:
        """Kill every process and remove what was made on the servers."""
        for process in self.processes.values():
            process.kill()
        for client in self._clients.values():
            await client.aclose()
        for connection in self._connections.values():
            connection.terminate()
        self.living.remove(self)
        await self._drop_databases()
        await delete_topics(self.kafka, self.namespace)

    async def _drop_databases(self) -> None:
        connection = await asyncpg.connect(self._postgres, timeout=10)
        try:
            for name in (*self.departments, CLEARANCE, GATEWAY):
                database = self._database_name(name)
                await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
                await connection.execute(f'DROP ROLE IF EXISTS "{database}"')
        finally:
            await connection.close()

    def _database_name(self, service: str) -> str:
        return f"{self.namespace}_{service}".replace("-", "_")

    def _service(self, name: str) -> Service:
        if name not in self._services:
            self._services[name] = replace(
                self._services[_kind(name)], name=name, port=free_port(*random.sample(BELOW_THE_KERNELS, 5))
            )
        return self._services[name]


def _of(said: Said, students: Collection[str] | None) -> Said:
    return said if students is None else {one: said[one] for one in students if one in said}


def _kind(name: str) -> str:
    return name.partition(":")[0]
