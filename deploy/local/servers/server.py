"""A server on this machine, as one process; or a running one that the environment names.

LIXIAO_POSTGRES=postgresql://superuser:password@host:port/postgres
LIXIAO_KAFKA=host:port[,host:port]
LIXIAO_ZIPKIN=http://host:port
"""

import asyncio
import os
from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from deploy.local.processes.ports import remembered_ports
from deploy.local.processes.process import Process, StartFailed
from deploy.local.processes.supervisor import Supervisor

ANSWER_TIMEOUT_S = 5


class LocalServer(Process):
    """Data, log and ports are kept below `state`, for a later start too. `start` sets the command."""

    serves_others = True
    preferred_port: ClassVar[int]
    port_names: ClassVar[Sequence[str]] = ("port",)

    def __init__(self, state: Path) -> None:
        name = type(self).__name__
        self.folder = (state / name.lower()).absolute()
        log = self.folder / f"{name.lower()}.log"
        super().__init__(name, (), log=log, cwd=self.folder, ready=lambda: self.is_reachable(self.address))

    @cached_property
    def ports(self) -> dict[str, int]:
        return remembered_ports(self.folder, self.port_names, self.preferred_port)

    @property
    @abstractmethod
    def address(self) -> str:
        """As its variable has it."""

    @staticmethod
    @abstractmethod
    async def answers(address: str) -> bool:
        """Whether a client is served there. Raises StartFailed for a malformed address."""

    def is_reachable(self, address: str) -> bool:
        # In a thread, because the caller's may have an event loop running.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self.answers(address)).result()


@dataclass(frozen=True)
class Running:
    """`address` as its variable has it. `server` is None when it was not started here."""

    address: str
    server: LocalServer | None = None

    def wait_ready(self) -> None:
        if self.server:
            self.server.wait_ready()

    def stop(self) -> None:
        if self.server:
            self.server.stop()


def obtain(server: LocalServer, *, wait: bool = True, supervisor: Supervisor | None = None) -> Running:
    """The running one that its variable names, else `server`, started. Raises StartFailed.

    Without `wait` it may still be starting. A started one is added to `supervisor`.
    """
    variable = f"LIXIAO_{server.name.upper()}"
    if address := os.environ.get(variable, "").rstrip("/"):
        if not server.is_reachable(address):
            shown = urlsplit(address).netloc.rpartition("@")[2] or address  # without the password
            raise StartFailed(f"{variable}: nothing answers at {shown}. Start it, or unset the variable.")
        return Running(address)
    if supervisor:
        supervisor.add(server)
    server.start()
    if wait:
        server.wait_ready()
    return Running(server.address, server)
