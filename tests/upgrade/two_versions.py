"""An installation whose services run in two versions, behind one address each."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from deploy.local.identity.people import Person
from deploy.local.installation import Installation
from deploy.local.processes.process import Process
from deploy.local.running_services import kind_of
from deploy.local.services import UNIVERSITY
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.names import desk_role
from services.kit.provisioning.databases import OWNER_VARIABLE, write_addresses
from tests.support.paths import ROOT
from tests.upgrade.balancer import Balancer
from tests.upgrade.older_version import OlderVersion

OLD: Final = "old"
NEW: Final = "new"
DRAINED_WITHIN_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 120
PROVISIONING: Final = "services.kit.provisioning"
MIXED: Final = {"LIXIAO_REQUIRE_SESSION_PROOF": "false"}
"""What a release demands of others is asked for once all of them are of it."""
CLERK: Final = Person(sub="clerk", name="方石", roles=(desk_role("finance"),))


class TwoVersions(Installation):
    """`library:old` and `library:new` are processes of the library; everybody reaches it through its balancer."""

    limits = httpx.Limits(max_keepalive_connections=0)
    """A connection a request: both versions get some of every caller's."""

    def __init__(self, folder: Path, *, older: OlderVersion, settings: Mapping[str, str], **options: Any) -> None:
        super().__init__(folder, settings={**settings, **MIXED}, **options)
        self.older = older
        self.people.append(CLERK)
        self.balancers = {name: Balancer(self._ports[name]) for name in (*self.departments, CLEARANCE, GATEWAY)}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.balancers)

    @property
    def had_notices(self) -> bool:
        return (self.older.root / "services" / NOTICES).exists()

    async def provision_old(self) -> None:
        """As an operator of the older version did."""
        self.open.append(self)
        await asyncio.to_thread(self._provision, OLD)
        # Addresses of services that came later; the old ones are kept.
        self.define_services(write_addresses(self._postgres, self.departments, self._secrets, namespace=self.namespace))
        await self.migrate_to(OLD, *self.names, *([NOTICES] if self.had_notices else []))
        for balancer in self.balancers.values():
            await balancer.start()

    async def provision_new(self) -> None:
        """As docs/deploying.md says, while the old ones run."""
        await asyncio.to_thread(self._provision, NEW)
        await self.migrate_to(NEW, *self.names, NOTICES)

    async def migrate(self, *names: str) -> None:
        """Nothing: that is a step of its own."""

    async def migrate_to(self, version: str, *names: str) -> None:
        await asyncio.gather(*(asyncio.to_thread(self._migrate_to, version, name) for name in names))

    async def join(self, name: str, version: str) -> None:
        """A process of that version is started, and gets requests once it is ready."""
        process = f"{name}:{version}"
        await self.start(process)
        self.balancers[name].backends.append(self.service(process).port)

    async def leave(self, name: str, version: str) -> None:
        """It gets no new requests, and is stopped once it has answered those it has."""
        process = f"{name}:{version}"
        await self.balancers[name].drain(self.service(process).port, DRAINED_WITHIN_S)
        code = await asyncio.to_thread(self.stop, process)
        assert code == 0, f"{process} ended with {code}"

    async def start_missing(self, names: Iterable[str]) -> None:
        """None is: here processes end only when they are told to."""
        ended = [name for name, process in self.processes.items() if process.poll() is not None]
        assert not ended, f"{ended} ended by themselves"

    def process(self, name: str, *, failpoint: str = "") -> Process:
        process = super().process(name, failpoint=failpoint)
        if name.endswith(f":{OLD}"):
            command, environment = [self.older.python, *process.command[1:]], {**(process.env or {}), **self._of_old}
            process = replace(process, command=command, cwd=self.older.root, env=environment)
        return process

    async def close(self) -> None:
        for balancer in self.balancers.values():
            await balancer.close()
        await super().close()

    @property
    def _of_old(self) -> dict[str, str]:
        """The university's files are the release's, too: a newer one may have keys that the older does not know."""
        return {"LIXIAO_UNIVERSITY": str(self.older.root / UNIVERSITY.relative_to(ROOT))}

    @property
    def _secrets(self) -> Path:
        return self.folder / "databases.json"

    def _provision(self, version: str) -> None:
        environment = {
            **self.kafka.variables(),
            "LIXIAO_POSTGRES": self._postgres,
            "LIXIAO_NAMESPACE": self.namespace,
        }
        run = partial(self._run, version, PROVISIONING)
        run("topics", environment=environment)
        if self.kafka.uses_sasl:
            run("kafka-users", "--passwords", str(self.accounts.kafka_passwords), environment=environment)
            run("acls", environment=environment)
        run("databases", "--secrets", str(self._secrets), environment=environment)

    def _migrate_to(self, version: str, name: str) -> None:
        service = self.service(name)
        owner = {OWNER_VARIABLE: self._owners[kind_of(name)]}
        self._run(version, service.module, "migrate", environment={**service.environment, **owner})

    def _run(self, version: str, module: str, *arguments: str, environment: dict[str, str]) -> None:
        root, python = (self.older.root, self.older.python) if version == OLD else (ROOT, Path(sys.executable))
        done = subprocess.run(
            [python, "-m", module, *arguments],
            cwd=root,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{version} {module} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
