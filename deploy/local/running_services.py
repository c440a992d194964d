"""The processes of all services on given servers, with databases and topics of their own.

Benches and tests start, kill and configure them one by one; `make demo` supervises its own instead.
"""

import asyncio
import json
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.credentials import Accounts
from deploy.local.identity.people import Person
from deploy.local.processes.ports import free_port
from deploy.local.processes.process import Process, StartFailed
from deploy.local.servers.postgres import dsn_of
from deploy.local.services import IDENTITY, ROOT, UNIVERSITY, Servers, Service, ServiceProcesses
from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import Topics
from services.kit.manifests import discover
from services.kit.provisioning.databases import create_databases
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.failpoints import EXIT_CODE

START_TIMEOUT_S: Final = 60
COMMAND_TIMEOUT_S: Final = 60
POLL_S: Final = 0.05
SESSION_TIMEOUT_S: Final = "6"
"""Kafka waits this long after a killed consumer: the least a broker accepts by default."""
NOWHERE: Final = "http://127.0.0.1:9"
NON_EPHEMERAL_PORTS: Final = range(20_000, 32_000)
"""The kernel gives these to no outgoing connection, so that one stays free from its choice to its use."""


class RunningServices:
    """A process is named like its service; `clearance:2` is a second one of it."""

    open: Final[list["RunningServices"]] = []
    """Provisioned and not yet closed."""

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
        """`settings`: variables for every service. `root`: the tree whose code runs. Without `zipkin` no traces."""
        self.folder, self.kafka, self.zipkin, self.root = folder, kafka, zipkin, root
        self.namespace = f"t{secrets.token_hex(4)}"
        self.topics = Topics(self.namespace)
        self.departments = discover(root / "services")
        self.people: list[Person] = []
        """Who can sign in; read by `provision`."""
        self.processes: dict[str, Process] = {}
        self._postgres = postgres
        self._settings = {
            "OTEL_TRACES_EXPORTER": "zipkin_json" if zipkin else "none",
            "LIXIAO_SESSION_TIMEOUT_S": SESSION_TIMEOUT_S,
            **(settings or {}),
        }
        self.accounts = Accounts(folder)
        self._ports = {name: _port() for name in (*self.departments, CLEARANCE, GATEWAY, IDENTITY)}
        self._services: dict[str, Service] = {}
        self._connections: dict[str, asyncpg.Connection[Any]] = {}

    async def provision(self) -> None:
        """Make databases, roles and topics, and the environment of each service."""
        self.open.append(self)
        made = await create_databases(
            self._postgres, self.departments, self.folder / "databases.json", namespace=self.namespace
        )
        await create_topics(self.kafka, self.topics, self.departments)
        self.assign_databases(made.secrets)

    def assign_databases(self, databases: Mapping[str, Mapping[str, str]]) -> None:
        """Make the services' environments. `databases`: service → its variables, as provisioning gave them."""
        people = self.folder / "people.json"
        people.write_text(json.dumps([person.model_dump() for person in self.people]))
        servers = Servers(self.kafka, self.zipkin or NOWHERE, databases, self.namespace)
        services = ServiceProcesses(self.departments, self._ports, self.accounts)
        for service in services.services(servers, people, UNIVERSITY):
            self._services[service.name] = replace(service, environment={**service.environment, **self._settings})

    async def start(self, *names: str, failpoint: str = "", wait: bool = True) -> None:
        """Start processes side by side and wait until each is ready. With a `failpoint` they end there."""
        for name in names:
            service = self.service(name)
            environment = {**service.environment, "LIXIAO_HTTP_PORT": str(service.port)}
            if failpoint:
                environment["LIXIAO_FAILPOINT"] = failpoint
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
        """Wait until a process reports that it is ready. Raises `StartFailed` with its last lines."""
        process, service = self.processes[name], self.service(name)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not await asyncio.to_thread(service.is_ready):
            if process.poll() is not None:
                raise StartFailed(f"{name} ended with code {process.poll()}.{process.last_words()}")
            if time.monotonic() > deadline_s:
                raise StartFailed(f"{name} is not ready after {START_TIMEOUT_S} s.{process.last_words()}")
            await asyncio.sleep(POLL_S)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self.processes.pop(name).kill()

    def stop(self, name: str) -> int | None:
        """Ask it to end, and wait; its exit code."""
        process = self.processes.pop(name)
        process.stop()
        return process.poll()

    async def crashed(self, name: str) -> None:
        """Wait until a process has ended itself at its failpoint. Raises `StartFailed` when it ended otherwise."""
        process = self.processes[name]

        async def ended() -> bool:
            return process.poll() is not None

        await until(ended, f"{name} to crash", START_TIMEOUT_S)
        if process.poll() != EXIT_CODE:
            raise StartFailed(f"{name} ended with {process.poll()}, not at its failpoint.{process.last_words()}")
        self.kill(name)

    def command(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a service's command line to its end, with the service's environment."""
        service = self.service(name)
        return subprocess.run(
            [sys.executable, "-m", service.module, *arguments],
            cwd=self.root,
            env={**service.environment, "COLUMNS": "300"},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )

    def logs(self) -> dict[str, str]:
        """What every process wrote."""
        return {file.stem: file.read_text("utf-8", "replace") for file in (self.folder / "logs").glob("*.log")}

    def service(self, name: str) -> Service:
        """How a process is started, and where it listens."""
        kind = kind_of(name)
        if name == kind:
            return self._services[kind]
        port = self._ports.setdefault(name, _port())
        return replace(self._services[kind], name=name, port=port)

    def configure(self, name: str, **variables: str) -> None:
        """Start `name`, and every further process of it, with these variables from the next start on."""
        service = self._services[name]
        self._services[name] = replace(service, environment={**service.environment, **variables})

    def address(self, name: str) -> str:
        return self.service(name).address

    async def database(self, service: str) -> "asyncpg.Connection[Any]":
        """A superuser's connection to a service's database, kept open for the next caller."""
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

    async def close(self) -> None:
        """Kill every process and remove what was made on the servers."""
        for process in self.processes.values():
            process.kill()
        for connection in self._connections.values():
            connection.terminate()
        if self in self.open:
            self.open.remove(self)
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


async def delete_topics(kafka: str, namespace: str) -> None:
    """Delete every topic of a namespace: a broker kept for long would drown in old partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        old = [topic for topic in await admin.list_topics() if topic.startswith(f"{namespace}.")]
        if old:
            await admin.delete_topics(old, timeout_ms=10_000)
    finally:
        await admin.close()


async def until(is_true: Callable[[], Awaitable[bool]], what: str, timeout_s: float) -> None:
    """Poll until it is true. Raises `TimeoutError` with `what` was waited for."""
    deadline_s = time.monotonic() + timeout_s
    while not await is_true():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}")
        await asyncio.sleep(POLL_S)


def kind_of(name: str) -> str:
    """The service of a process: `clearance:2` is one of the clearance."""
    return name.partition(":")[0]


def _port() -> int:
    return free_port(*random.sample(NON_EPHEMERAL_PORTS, 5))
