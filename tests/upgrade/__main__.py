"""`make test-upgrade`: from an older version to this one under load, service by service, with ways back.

Two versions of every service are side by side for a while, new ones read what old ones wrote and the other way round.
Nothing may be lost, and nobody may see an error.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from rich.console import Console

from deploy.local.processes.state_folder import claim_any
from deploy.local.servers.kafka import Kafka
from deploy.local.servers.postgres import Postgres
from deploy.local.services import IDENTITY
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.kafka.connection import KafkaConnection
from tests.support.checker.observed_installation import ObservedInstallation
from tests.support.paths import ROOT
from tests.upgrade.load import Load
from tests.upgrade.older_version import OlderVersion, older_version
from tests.upgrade.stories import Stories
from tests.upgrade.two_versions import NEW, OLD, TwoVersions

OFTEN: Final = ("finance", GATEWAY)
ROLLED_BACK: Final = ("finance", CLEARANCE)
console = Console(soft_wrap=True, highlight=False)


def main(
    older: Annotated[str, typer.Option("--from", help="a revision; by default the newest release")] = "",
    pause_s: Annotated[float, typer.Option(help="of load between two steps")] = 5.0,
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    version = older_version(older)
    console.print(f"From {version.revision[:8]} ({version.subject})")
    with ExitStack() as stack:
        state = stack.enter_context(claim_any(ROOT / ".lixiao" / "upgrade"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = Postgres(state.folder, durable=False)
        postgres.start().wait_ready()
        stack.callback(postgres.stop)
        broker = Kafka(state.folder)
        broker.start().wait_ready()
        stack.callback(broker.stop)
        wrong = asyncio.run(_run(folder, postgres.address, broker.address, version, pause_s))
    raise typer.Exit(bool(wrong))


async def _run(folder: Path, postgres: str, kafka: KafkaConnection, older: OlderVersion, pause_s: float) -> list[str]:
    observed = ObservedInstallation(folder, postgres=postgres, kafka=kafka, made=partial(TwoVersions, older=older))
    upgrade = Upgrade(observed, Load(Stories(observed)), pause_s)
    try:
        await upgrade.begin()
        async with upgrade.load.running():
            await upgrade.roll()
        return await upgrade.judged()
    finally:
        await observed.close()


class Upgrade:
    def __init__(self, observed: ObservedInstallation, load: Load, pause_s: float) -> None:
        assert isinstance(observed.installation, TwoVersions)
        self.observed, self.load, self.installation = observed, load, observed.installation
        self._pause_s = pause_s

    async def begin(self) -> None:
        installation = self.installation
        await installation.provision_old()
        await installation.start(IDENTITY, *([f"{NOTICES}:{OLD}"] if installation.had_notices else []))
        await asyncio.gather(*(installation.join(name, OLD) for name in installation.names))
        await self.observed.observe()

    async def roll(self) -> None:
        """Each step is followed by a while of load."""
        installation = self.installation
        await self._step("all old", asyncio.sleep(0))
        await self._step("topics, databases and tables made new", installation.provision_new())
        await self._beside("old and new gateway, the rest old", GATEWAY)
        await self._step("new gateway, the rest old", installation.leave(GATEWAY, OLD))
        await self._step("the gateway back", self._replaced(GATEWAY, NEW, OLD))
        for name in (*installation.departments, CLEARANCE):
            await self._beside(f"old and new {name}", name)
            await self._step(f"new {name}", installation.leave(name, OLD))
            if name in ROLLED_BACK:
                await self._step(f"{name} back", self._replaced(name, NEW, OLD))
                await self._step(f"{name} forward", self._replaced(name, OLD, NEW))
        await self._step("old gateway, the rest new", asyncio.sleep(0))
        await self._beside("old and new gateway, the rest new", GATEWAY)
        await self._step("all new", self._all_new())

    async def _beside(self, what: str, name: str) -> None:
        """The new one joins, and those of both are asked who are asked often."""
        balancer = self.installation.balancers[name]
        await self._step(what, self.installation.join(name, NEW))
        served = {backend: balancer.served[backend] for backend in balancer.backends}
        assert len(served) == 2, served
        assert name not in OFTEN or all(served.values()), served

    async def _all_new(self) -> None:
        await self.installation.leave(GATEWAY, OLD)
        if self.installation.had_notices:
            self.installation.stop(f"{NOTICES}:{OLD}")
        await self.installation.start(f"{NOTICES}:{NEW}")

    async def _replaced(self, name: str, one: str, other: str) -> None:
        await self.installation.join(name, other)
        await self.installation.leave(name, one)

    async def _step(self, what: str, step: Awaitable[None]) -> None:
        self.load.phase, before, began_s = what, self.load.stories.done.copy(), time.monotonic()
        await step
        await asyncio.sleep(self._pause_s)
        did = ", ".join(f"{count} × {name}" for name, count in sorted((self.load.stories.done - before).items()))
        console.print(f"{what} ({time.monotonic() - began_s:.0f} s): {did}")

    async def judged(self) -> list[str]:
        """Everything that is wrong; empty when all is well."""
        await self.load.settled()
        wrong = [f"{count} × {fault}" for fault, count in self.load.faults.items()]
        wrong += map(str, await self.observed.judged())
        wrong += self.load.errors_logged()
        wrong += [f"{name} has {count} dead letters" for name, count in (await self.load.dead_letters()).items()]
        did = ", ".join(f"{count} × {name}" for name, count in sorted(self.load.stories.done.items()))
        again = sum(self.load.stories.again.values())
        console.print(f"{did}; {again} changes were sent again after a 423")
        for one in wrong:
            console.print(one, markup=False)
        console.print("Nothing lost, no error seen." if not wrong else f"{len(wrong)} things went wrong.")
        return wrong


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
