"""A small installation on a broker of its own, with desks that keep changing records and forms that were accepted."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.local.http_clients import local_client
from deploy.local.identity.people import Person
from deploy.local.installation import Installation
from deploy.local.processes.process import StartFailed
from deploy.local.running_services import kind_of
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres_binaries import wheel_installation
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY
from tests.support.gateway.server import BrowserClient, sign_in
from tests.support.in_process.services import CLEAR
from tests.support.waiting import eventually

CHANGE_EVERY_S: Final = 0.1
COMMAND_TIMEOUT_S: Final = 60
SETTLED_S: Final = 60.0
ALIVE_EVERY_S: Final = "2"
CHANGING: Final = "library"
PROVISIONING: Final = "services.kit.provisioning"
"""The department whose records the load changes."""
PROGRAMS: Final = (Path(sys.executable).parent, wheel_installation() / "bin")
_AWAY: Final = (httpx.TransportError, httpx.TimeoutException)


@dataclass
class Stage:
    """`watched` is the student whose page is read; the forms of `accepted` are never changed by the load."""

    installation: Installation
    broker: Kafka
    postgres: str
    students: list[str] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)
    """Student → form number."""
    ran: list[str] = field(default_factory=list)
    changes: int = 0

    async def begin(self, students: int) -> None:
        installation = self.installation
        await installation.provision()
        await installation.start(*self.names, IDENTITY)
        self.watched = installation.person()
        self.students = [await installation.enrol(self.watched.student_id or "")]
        self.students += [await installation.enrol() for _ in range(students - 1)]
        await self.submit()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.installation.departments, CLEARANCE, GATEWAY)

    async def submit(self) -> str:
        """A student of their own submits; the form number."""
        installation, person = self.installation, self.installation.person()
        student_id = await installation.enrol(person.student_id or "")
        for department, record in CLEAR.items():
            await installation.put(department, student_id, record)
        browser = await self.browser(person)

        async def asked() -> bool:
            answer = await browser.post("/api/v1/submission", headers={"X-CSRF-Token": await browser.csrf()})
            return answer.status_code == 202

        async def done() -> bool:
            case = (await browser.get("/api/v1/case")).json()
            numbers = [form["form_number"] for form in case["forms"]]
            if numbers and case["submission"]["state"] == "done":
                self.accepted[student_id] = numbers[-1]
            return student_id in self.accepted

        await eventually(asked, what="every check to pass", timeout_s=SETTLED_S, poll_s=0.2)
        await eventually(done, what="the submission to be accepted", timeout_s=SETTLED_S, poll_s=0.2)
        await browser.close()
        return self.accepted[student_id]

    async def browser(self, person: Person) -> BrowserClient:
        return await sign_in(self.installation, person)

    @asynccontextmanager
    async def load(self) -> AsyncIterator[None]:
        """Desks change records all the time, as far as the services are there."""
        task = asyncio.create_task(self._change())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _change(self) -> None:
        for number, student_id in enumerate(itertools.cycle(self.students)):
            card = ("active", "cancelled")[number // len(self.students) % 2]
            body = {"student_id": student_id, "record": {"card": card, "thesis": "approved"}}
            running = [name for name in self.installation.processes if kind_of(name) == CHANGING]
            with suppress(*_AWAY):
                answer = await self.installation.client(running[-1] if running else CHANGING).put("/records", json=body)
                self.changes += answer.status_code == 200
            await asyncio.sleep(CHANGE_EVERY_S)

    async def run(self, service: str, command: str, **variables: str) -> str:
        """A line of the runbook, with the service's environment; what it printed."""
        process = self.installation.process(service)
        environment = {
            **(process.env or {}),
            **self.installation.operators_variables(service),
            # What makes topics and databases is run by whoever administers the servers.
            **(self.installation.kafka.variables() if PROVISIONING in command else {}),
            "PATH": os.pathsep.join((*map(str, PROGRAMS), "/usr/bin", "/bin")),
            "LIXIAO_POSTGRES": self.postgres,
            "SERVICE": service,
            "DATABASE": self.installation.database_dsn(service),
            "COLUMNS": "300",
            "PYTHONPATH": str(self.installation.root),
            **variables,
        }
        self.ran.append(command)
        done = await asyncio.to_thread(
            subprocess.run,
            ["sh", "-c", command],
            cwd=self.installation.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    async def restart(self, *names: str) -> None:
        for name in names:
            if name in self.installation.processes:
                self.installation.kill(name)
        await self.installation.start(*names)

    async def mend(self) -> None:
        """Start what is not running, as far as it starts: what is amiss is seen by whether all agrees."""
        with suppress(StartFailed):
            await self.installation.start_missing(self.names)

    async def ready(self, service: str) -> dict[str, Any]:
        """What the operators' port says; empty if the process does not answer."""
        address = self.installation.operator_address(service)
        try:
            async with local_client(timeout=5) as client:
                report: dict[str, Any] = (await client.get(f"{address}/health/ready")).json()
        except (*_AWAY, ValueError):
            return {}
        return report

    def log_lines(self, service: str, event: str) -> int:
        """How many lines of that event the service has logged."""
        text = self.installation.logs().get(service, "")
        return sum(f'"{event}"' in line for line in text.splitlines())

    async def records(self, department: str) -> Mapping[str, tuple[int, Any]]:
        """Student → version and checks of the newest status."""
        return {
            student_id: (version, json.loads(status)["checks"])
            for student_id, (version, status) in (await self.installation.published(department)).items()
        }


def elapsed_s(since_s: float) -> float:
    return time.monotonic() - since_s
