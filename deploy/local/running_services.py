"""An installation's services on given servers.

The demonstration supervises the processes; benches and tests start, kill and configure them one by one.
"""

import asyncio
import itertools
import json
import random
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from deploy.local.credentials import Accounts
from deploy.local.databases import Databases
from deploy.local.identity.people import Person
from deploy.local.processes.ports import free_port
from deploy.local.processes.process import Process, StartFailed
from deploy.local.servers.kafka import delete_topics
from deploy.local.services import IDENTITY, ROOT, UNIVERSITY, Service, ServiceProcesses, operator_port_of
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from schemas.topics import Topics
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.kafka.connection import KafkaConnection
from services.kit.manifests import DepartmentManifest
from services.kit.postgres.migrations import migrate
from services.kit.provisioning.acls import remove_acls, set_acls
from services.kit.provisioning.databases import OWNER_VARIABLE, Provisioned, create_databases
from services.kit.provisioning.kafka_users import create_users
from services.kit.provisioning.topics import create_topics
from services.kit.runtime.failpoints import EXIT_CODE
from services.kit.runtime.private_files import write_private
from services.notices.migration_folders import NOTICE_FOLDERS

START_TIMEOUT_S: Final = 60
COMMAND_TIMEOUT_S: Final = 60
NON_EPHEMERAL_PORTS: Final = range(20_000, 32_000)
"""The kernel gives these to no outgoing connection, so that one stays free until it is used."""
_PORTS: Final = itertools.cycle(random.sample(NON_EPHEMERAL_PORTS, len(NON_EPHEMERAL_PORTS)))
"""In an order of this process's own. A claim keeps out other processes, not this one: it must not draw one twice."""


class RunningServices(Databases):
    """`clearance:2` is a second process of the clearance."""

    open: Final[list["RunningServices"]] = []
    """Provisioned and not yet closed."""

    def __init__(
        self,
        folder: Path,
        *,
        postgres: str,
        kafka: KafkaConnection,
        zipkin: str,
        namespace: str,
        departments: Mapping[str, DepartmentManifest],
        people: Iterable[Person] = (),
        ports: Mapping[str, int] | None = None,
        settings: Mapping[str, str] | None = None,
        university: Path = UNIVERSITY,
        root: Path = ROOT,
    ) -> None:
        """`postgres` and `kafka` as superusers. `people` can sign in. `settings`: variables of every service.

        `root`: the tree whose code runs.
        """
        super().__init__(postgres, Topics(namespace), departments)
        self.folder, self.kafka, self.zipkin, self.root = folder, kafka, zipkin, root
        self.people = list(people)
        self.accounts = Accounts(folder)
        self.processes: dict[str, Process] = {}
        self._settings = settings or {}
        self._university = university
        self._ports = dict(ports or {name: _port() for name in port_names(departments)})
        self._services: dict[str, Service] = {}
        self._owners: dict[str, str] = {}

    async def provision(self) -> None:
        await self.provision_databases()
        await self.provision_kafka()

    async def provision_kafka(self) -> None:
        """Topics; with SASL also a user and ACLs for each service."""
        await create_topics(self.kafka, self.topics, self.departments)
        if self.kafka.uses_sasl:
            passwords = self.accounts.kafka_passwords
            await create_users(self.kafka, self.departments, passwords, namespace=self.namespace)
            await set_acls(self.kafka, self.topics, self.departments)

    async def provision_databases(self) -> Provisioned:
        """Needs no broker."""
        self.open.append(self)
        made = await create_databases(
            self._postgres, self.departments, self.folder / "databases.json", namespace=self.namespace
        )
        self.define_services(made.secrets)
        return made

    def define_services(self, databases: Mapping[str, Mapping[str, str]]) -> None:
        """`databases`: service → its variables, as provisioning returned them. A process does not get its owner's."""
        own = {name: dict(variables) for name, variables in databases.items()}
        self._owners = {name: variables.pop(OWNER_VARIABLE) for name, variables in own.items()}
        people = self.folder / "people.json"
        write_private(people, json.dumps([person.model_dump() for person in self.people], ensure_ascii=False))
        processes = ServiceProcesses(
            tuple(self.departments),
            self._ports,
            self.accounts,
            kafka=self.kafka,
            zipkin=self.zipkin,
            namespace=self.namespace,
            databases=own,
            people=people,
            university=self._university,
        )
        for service in processes.services():
            self._services[service.name] = replace(service, environment={**service.environment, **self._settings})

    async def start(self, *names: str, failpoint: str = "", wait: bool = True) -> None:
        """Side by side; returns when each is ready. With a `failpoint` they exit there."""
        await self.migrate(*names)
        for name in names:
            self.processes[name] = self.process(name, failpoint=failpoint)
            self.processes[name].start()
        for name in names if wait else ():
            await self.ready(name)

    async def migrate(self, *names: str) -> None:
        """As an operator does before a release is started: by the owner, with the files of `root`."""
        owned = {name for name in map(kind_of, names) if name in self._owners}
        await asyncio.gather(*(migrate(self._owners[name], self._migrations(name)) for name in owned))

    def _migrations(self, service: str) -> list[Path]:
        folders = {CLEARANCE: CLEARANCE_FOLDERS, GATEWAY: GATEWAY_FOLDERS, NOTICES: NOTICE_FOLDERS}.get(
            service, DEPARTMENT_FOLDERS
        )
        return [self.root / folder.relative_to(ROOT) for folder in folders]

    def process(self, name: str, *, failpoint: str = "") -> Process:
        """Not yet started."""
        service = self.service(name)
        environment = {
            **service.environment,
            "LIXIAO_HTTP_PORT": str(service.port),
            "LIXIAO_OPERATOR_PORT": str(service.operator_port),
        }
        if failpoint:
            environment["LIXIAO_FAILPOINT"] = failpoint
        return replace(service, environment=environment).process(self.folder / "logs", self.root)

    async def ready(self, name: str) -> None:
        """Raises StartFailed."""
        await asyncio.to_thread(self.processes[name].wait_ready, START_TIMEOUT_S)

    async def start_missing(self, names: Iterable[str]) -> None:
        """Of these, those that are not running."""
        for name in [name for name, process in self.processes.items() if process.poll() is not None]:
            self.kill(name)
        await self.start(*(name for name in names if name not in self.processes))

    def kill(self, name: str) -> None:
        self.processes.pop(name).kill()

    def stop(self, name: str) -> int | None:
        """Returns the exit code."""
        process = self.processes.pop(name)
        process.stop()
        return process.poll()

    async def crashed(self, name: str) -> None:
        """Wait for the exit at the failpoint. Raises StartFailed for another."""
        process = self.processes[name]
        await asyncio.to_thread(process.wait_until, lambda: process.poll() is not None, START_TIMEOUT_S, "crashed")
        if (code := process.poll()) != EXIT_CODE:
            raise StartFailed(f"{name} exited with code {code}, not at its failpoint.{process.last_lines()}")
        self.kill(name)

    def command(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a service's command line, as an operator who has the owner's address too."""
        process = self.process(name)
        return subprocess.run(
            [*process.command, *arguments],
            cwd=self.root,
            env={**(process.env or {}), **self.operators_variables(name), "COLUMNS": "300"},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )

    def operators_variables(self, name: str) -> dict[str, str]:
        """What an operator's commands have beside the service's own variables."""
        return {OWNER_VARIABLE: self._owners[kind_of(name)]}

    def logs(self) -> dict[str, str]:
        return {file.stem: file.read_text("utf-8", "replace") for file in (self.folder / "logs").glob("*.log")}

    def service(self, name: str) -> Service:
        service = self._services[kind_of(name)]
        if name != service.name:
            ports = [self._ports.setdefault(each, _port()) for each in (name, operator_port_of(name))]
            service = replace(service, name=name, port=ports[0], operator_port=ports[1])
        return service

    def configure(self, name: str, **variables: str) -> None:
        """For processes started from now on."""
        service = self._services[name]
        self._services[name] = replace(service, environment={**service.environment, **variables})

    def address(self, name: str) -> str:
        return self.service(name).address

    def operator_address(self, name: str) -> str:
        return self.service(name).operator_address

    async def close(self) -> None:
        """Also removes what was made on the servers."""
        for process in self.processes.values():
            process.kill()
        if self in self.open:
            self.open.remove(self)
        await self.drop_databases()
        await delete_topics(self.kafka, self.namespace)
        if self.kafka.uses_sasl:
            await remove_acls(self.kafka, self.namespace)


def service_names(departments: Mapping[str, DepartmentManifest]) -> tuple[str, ...]:
    """In the order of their ports, without the notice service, which an installation need not run."""
    return (GATEWAY, IDENTITY, CLEARANCE, *departments)


def port_names(departments: Mapping[str, DepartmentManifest]) -> tuple[str, ...]:
    """The services', then the operators'."""
    names = service_names(departments)
    operators = (operator_port_of(name) for name in names if name != IDENTITY)
    return (*names, *operators, NOTICES, operator_port_of(NOTICES))


def kind_of(name: str) -> str:
    """The service of a process."""
    return name.partition(":")[0]


def _port() -> int:
    return free_port(*itertools.islice(_PORTS, 5))
