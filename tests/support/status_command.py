"""The gateway's commands about the installation, as an operator runs them."""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from deploy.local.installation import Installation
from schemas.flows import GATEWAY
from services.gateway.__main__ import cli


@dataclass(frozen=True)
class Said:
    exit_code: int
    output: str

    @property
    def document(self) -> Any:
        return json.loads(self.output[self.output.index("{") :])


class InstallationCommands:
    """`operated`: the services that the gateway is to ask."""

    def __init__(self, installation: Installation, operated: Collection[str], **changes: str) -> None:
        environment = installation.service(GATEWAY).environment
        every = json.loads(environment["LIXIAO_OPERATED"])
        chosen = {name: address for name, address in every.items() if name in operated}
        self._environment = {**environment, "LIXIAO_OPERATED": json.dumps(chosen), **changes}

    async def run(self, *arguments: str, typed: str = "", more: Mapping[str, str] | None = None) -> Said:
        environment = {**self._environment, **(more or {})}
        done = await asyncio.to_thread(CliRunner().invoke, cli, arguments, input=typed, env=environment)
        return Said(done.exit_code, done.stdout)

    async def names(self) -> set[str]:
        """The problems that `status` names, with whose they are."""
        said = await self.run("status", "--json")
        return {f"{one['name']} {one['subject']}" for one in said.document["problems"]}
