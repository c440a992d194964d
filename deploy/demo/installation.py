"""Brings one installation up on this machine: servers, databases and topics, services, and the cohort in them."""

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from aiokafka.errors import KafkaError

from deploy.demo.load import Ledger, Progress, import_roster, load_records
from deploy.demo.progress import Steps
from deploy.demo.students import Student, people
from deploy.local.credentials import Accounts
from deploy.local.processes.process import Process, StartFailed
from deploy.local.processes.supervisor import Supervisor
from deploy.local.servers import jars
from deploy.local.servers.obtain import (
    RunningKafka,
    RunningPostgres,
    RunningZipkin,
    obtain_kafka,
    obtain_postgres,
    obtain_zipkin,
)
from deploy.local.servers.server import LocalServer
from deploy.local.services import IDENTITY, UNIVERSITY, Servers, Service, ServiceProcesses, choose_ports
from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import Topics
from services.kit.manifests import SERVICES, DepartmentManifest, discover
from services.kit.names import ROSTER
from services.kit.provisioning.__main__ import Provisioned, TopicsDiffer, create_databases, create_topics
from services.kit.runtime.private_files import write_private

READY_TIMEOUT_S: Final = 120
POLL_S: Final = 0.15


@dataclass
class DemoInstallation:
    """The demonstration in `folder`. Its methods are called in their order, each once."""

    folder: Path
    cache: Path
    namespace: str
    first_port: int
    steps: Steps
    supervisor: Supervisor

    def __post_init__(self) -> None:
        found = Path(os.environ.get("LIXIAO_SERVICES_FOLDER") or SERVICES)
        self.departments: Mapping[str, DepartmentManifest] = discover(found)
        self.accounts = Accounts(self.folder)
        self.ledger = Ledger(self.folder / "given.json")
        names = (GATEWAY, IDENTITY, CLEARANCE, *self.departments)
        self.ports = choose_ports(names, self.first_port, self.folder / "ports")
        self.fleet = ServiceProcesses(self.departments, self.ports, self.accounts)

    @property
    def addresses(self) -> dict[str, str]:
        """Name of a service → `http://host:port`."""
        return {name: self.fleet.address(name) for name in self.ports}

    def start_servers(self) -> Servers:
        """PostgreSQL, Kafka and Zipkin, with databases and topics. Raises StartFailed, JarsMissing."""
        for part in ("kafka", "zipkin"):
            if not os.environ.get(f"LIXIAO_{part.upper()}"):
                jars.ensure(part, self.cache, self.steps.console)
        with self.steps.step("PostgreSQL, Kafka, databases and topics") as waiting:
            kafka = obtain_kafka(self.folder, self.cache, wait=False)
            self._watch(kafka.broker)
            postgres = obtain_postgres(self.folder)
            self._watch(postgres.server)
            self._on_the_same_servers(kafka, postgres)
            databases = self._provision_databases(postgres.dsn)
            self.zipkin = obtain_zipkin(self.folder, self.cache, wait=False)
            self._watch(self.zipkin.server)
            waiting("Kafka")
            if kafka.broker:
                kafka.broker.wait()
            self._provision_topics(kafka.address)
        return Servers(kafka.address, self.zipkin.address, databases.secrets, self.namespace)

    def start_services(self, servers: Servers, students: Sequence[Student]) -> None:
        """Every service, side by side, until each says that it is ready. Raises StartFailed with its last lines."""
        listed = self.folder / "people.json"
        write_private(listed, json.dumps(people(students), ensure_ascii=False, indent=1))
        university = Path(os.environ.get("LIXIAO_UNIVERSITY") or UNIVERSITY).absolute()
        services = self.fleet.services(servers, listed, university)
        with self.steps.step(f"{len(services)} services") as waiting:
            late = [(service, service.process(self.folder / "logs")) for service in services]
            for service, process in late:
                self.supervisor.add(process, ready=service.is_ready, wait=False)
            deadline_s = time.monotonic() + READY_TIMEOUT_S
            while late:
                waiting(", ".join(service.name for service, _ in late))
                late = [(service, process) for service, process in late if not _ready(service, process)]
                _in_time(deadline_s, late)
                time.sleep(POLL_S)
        with self.steps.step("Zipkin"):
            _wait_for(self.zipkin)

    def load(self, students: Sequence[Student]) -> None:
        """Bring in what was not brought in before: records first, so that a case opens on them. Raises StartFailed."""
        records = {name: self._unknown_to(name, students) for name in self.departments}
        total = sum(map(len, records.values()))
        if total:
            with self.steps.counted("Records at the departments", total) as advance:
                asyncio.run(self._load_records(records, advance))
        for name in self.departments:
            self.ledger.note(name, len(students))
        listed = [one for one in self.ledger.missing(ROSTER, students) if one.on_roster]
        if listed:
            with self.steps.counted("Students on the roster", len(listed)) as advance:
                asyncio.run(import_roster(self.fleet.address(CLEARANCE), self.accounts, listed, advance))
        self.ledger.note(ROSTER, len(students))

    def _unknown_to(self, department: str, students: Sequence[Student]) -> list[Student]:
        return [one for one in self.ledger.missing(department, students) if department in one.records]

    async def _load_records(self, records: Mapping[str, Sequence[Student]], advance: Progress) -> None:
        await asyncio.gather(
            *(
                load_records(name, self.fleet.address(name), self.accounts, students, advance)
                for name, students in records.items()
            )
        )

    def _watch(self, part: LocalServer | None) -> None:
        if part is not None:
            self.supervisor.add(part, started=True, wait=False)

    def _on_the_same_servers(self, kafka: RunningKafka, postgres: RunningPostgres) -> None:
        """What the databases hold of a broker (offsets) fits no other one: say so instead of standing still."""
        note = self.folder / "servers.json"
        now = {
            "Kafka": "its own" if kafka.broker else kafka.address,
            "PostgreSQL": "its own" if postgres.server else urlsplit(postgres.dsn).netloc.rpartition("@")[2],
        }
        before = json.loads(note.read_text()) if note.exists() else now
        for name, address in now.items():
            if before[name] != address:
                raise StartFailed(
                    f"{self.folder} was begun with another {name} ({before[name]}; now {address}), and its state fits "
                    f"no other. Name another folder: LIXIAO_STATE=/some/folder, or remove this one: make clean."
                )
        note.write_text(json.dumps(now))

    def _provision_databases(self, superuser: str) -> Provisioned:
        secrets = self.folder / "databases.json"
        try:
            made = asyncio.run(create_databases(superuser, self.departments, secrets, namespace=self.namespace))
        except (asyncpg.PostgresError, OSError, ValueError) as error:
            raise StartFailed(f"The databases could not be made: {error}") from error
        new = [name for name in made.secrets if f"{self.namespace}_{name}".replace("-", "_") in made.created]
        self.ledger.forget([ROSTER if name == CLEARANCE else name for name in new])
        return made

    def _provision_topics(self, kafka: str) -> None:
        try:
            asyncio.run(create_topics(kafka, Topics(self.namespace), self.departments))
        except (TopicsDiffer, KafkaError) as error:
            raise StartFailed(f"The topics could not be made: {error}") from error


def _ready(service: Service, process: Process) -> bool:
    if (code := process.poll()) is not None:
        raise StartFailed(f"{service.name} ended with code {code}.{process.last_words()}")
    return service.is_ready()


def _in_time(deadline_s: float, late: Sequence[tuple[Service, Process]]) -> None:
    if late and time.monotonic() > deadline_s:
        service, process = late[0]
        raise StartFailed(f"{service.name}: not ready after {READY_TIMEOUT_S} s.{process.last_words()}")


def _wait_for(zipkin: RunningZipkin) -> None:
    if zipkin.server:
        zipkin.server.wait()
