"""Launches the demonstration step by step."""

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from aiokafka.errors import KafkaError

from deploy.demo.department_lists import list_rows
from deploy.demo.load import Advance, Ledger, import_list, import_roster
from deploy.demo.progress import LaunchProgress
from deploy.demo.students import Student, people
from deploy.local.processes.ports import remembered_ports
from deploy.local.processes.process import StartFailed
from deploy.local.processes.supervisor import Supervisor
from deploy.local.running_services import RunningServices, port_names, service_names
from deploy.local.servers import jars
from deploy.local.servers.kafka import Kafka, RunningKafka
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.server import Running, obtain
from deploy.local.servers.zipkin import Zipkin
from deploy.local.services import UNIVERSITY
from schemas.flows import CLEARANCE
from services.kit.manifests import SERVICES, DepartmentManifest, discover
from services.kit.names import ROSTER
from services.kit.postgres.migrations import MigrationError
from services.kit.provisioning.acls import AclsRefused
from services.kit.provisioning.topics import TopicMismatch
from services.kit.runtime.private_files import write_private

READY_TIMEOUT_S: Final = 120


@dataclass
class Launch:
    """Call each method once, in their order."""

    folder: Path
    progress: LaunchProgress
    supervisor: Supervisor

    def start_servers(self, students: Sequence[Student], namespace: str, first_port: int) -> RunningServices:
        """Raises StartFailed. Zipkin may still be starting."""
        jars.fetch(self.progress.console)
        with self.progress.step("PostgreSQL, Kafka, databases and topics") as waiting_for:
            kafka = obtain(Kafka(self.folder), wait=False, supervisor=self.supervisor)
            postgres = obtain(Postgres(self.folder), supervisor=self.supervisor)
            self._check_servers_unchanged(kafka, postgres)
            self.zipkin = obtain(Zipkin(self.folder), wait=False, supervisor=self.supervisor)
            departments = discover(Path(os.environ.get("LIXIAO_SERVICES_FOLDER") or SERVICES))
            services = RunningServices(
                self.folder,
                postgres=postgres.address,
                kafka=kafka.address,
                zipkin=self.zipkin.address,
                namespace=namespace,
                departments=departments,
                people=people(students, departments),
                ports=remembered_ports(self.folder / "ports", port_names(departments), first_port),
                university=Path(os.environ.get("LIXIAO_UNIVERSITY") or UNIVERSITY).absolute(),
            )
            self._provision_databases(services)
            waiting_for("Kafka")
            kafka.wait_ready()
            with _reported_as("The topics and users of Kafka could not be created"):
                asyncio.run(services.provision_kafka())
        return services

    def start_services(self, services: RunningServices) -> None:
        """Side by side. Raises StartFailed."""
        names = service_names(services.departments)
        with self.progress.step(f"{len(names)} services") as waiting_for:
            with _reported_as("The tables could not be made"):
                asyncio.run(services.migrate(*names))
            processes = {name: services.process(name) for name in names}
            for process in processes.values():
                self.supervisor.add(process)
                process.start()
            for name, process in processes.items():
                waiting_for(name)
                process.wait_ready(READY_TIMEOUT_S)
        with self.progress.step("Zipkin"):
            self.zipkin.wait_ready()

    def load_roster(self, services: RunningServices, students: Sequence[Student]) -> None:
        """First, as in a real season: every check is 待同步 until its department's list has arrived.

        Raises StartFailed.
        """
        ledger = self._ledger()
        listed = [one for one in ledger.missing(ROSTER, students) if one.on_roster]
        if listed:
            with self.progress.counted("Students on the roster", len(listed)) as advance:
                asyncio.run(import_roster(services, listed, advance))
        ledger.note(ROSTER, len(students))

    def load_lists(
        self, services: RunningServices, students: Sequence[Student], *, late: int
    ) -> list[DepartmentManifest]:
        """Of each department but the `late` last, which are returned. Raises StartFailed."""
        ledger = self._ledger()
        missing = [one for one in services.departments.values() if ledger.missing(one.name, students)]
        in_time = missing[: max(0, len(missing) - late)]
        if in_time:
            rows = sum(len(list_rows(one.name, ledger.missing(one.name, students))) for one in in_time)
            with self.progress.counted("Rows of the departments' lists", rows) as advance:
                for one in in_time:
                    self.load_list(services, students, one.name, advance)
        return missing[len(in_time) :]

    def load_list(
        self,
        services: RunningServices,
        students: Sequence[Student],
        department: str,
        advance: Advance = lambda rows: None,
    ) -> int:
        """Returns the number of rows. Raises StartFailed."""
        ledger = self._ledger()
        share, covering = ledger.missing(department, students), ledger.is_new(department)
        rows = asyncio.run(import_list(services, department, share, covering=covering, advance=advance))
        ledger.note(department, len(students))
        return rows

    def _ledger(self) -> Ledger:
        return Ledger(self.folder / "loaded.json")

    def _check_servers_unchanged(self, kafka: RunningKafka, postgres: Running) -> None:
        """Offsets in the databases belong to one broker."""
        note = self.folder / "servers.json"
        now = {
            "Kafka": "its own" if kafka.server else kafka.address.bootstrap_servers,
            "PostgreSQL": "its own" if postgres.server else urlsplit(postgres.address).netloc.rpartition("@")[2],
        }
        before = json.loads(note.read_text()) if note.exists() else now
        for name, address in now.items():
            if before[name] != address:
                raise StartFailed(
                    f"The state in {self.folder} belongs to another {name} ({before[name]}; now {address}). "
                    f"Use another folder (LIXIAO_STATE=/some/folder), or remove this one (make clean)."
                )
        write_private(note, json.dumps(now))

    def _provision_databases(self, services: RunningServices) -> None:
        with _reported_as("The databases could not be created"):
            made = asyncio.run(services.provision_databases())
        new = [name for name in made.secrets if services.database_name(name) in made.created]
        self._ledger().forget([ROSTER if name == CLEARANCE else name for name in new])


@contextmanager
def _reported_as(what: str) -> Iterator[None]:
    try:
        yield
    except (
        asyncpg.PostgresError,
        KafkaError,
        AclsRefused,
        MigrationError,
        TopicMismatch,
        OSError,
        ValueError,
    ) as error:
        raise StartFailed(f"{what}: {error}") from error
