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
from typing import ClassVar, Generic
from urllib.parse import urlsplit

from typing_extensions import TypeVar

from deploy.local.processes.ports import remembered_ports
from deploy.local.processes.process import Process, StartFailed
from deploy.local.processes.supervisor import Supervisor

ANSWER_TIMEOUT_S = 5
A = TypeVar("A", default=str)
"""How a server is reached, with the credentials of its superuser where it has one."""


class LocalServer(Process, Generic[A]):
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
    def address(self) -> A: ...

    @classmethod
    @abstractmethod
    def address_in_environment(cls) -> A | None:
        """That of a running one, which is to be used instead."""

    @staticmethod
    @abstractmethod
    async def answers(address: A) -> bool:
        """Whether a client is served there. Raises StartFailed for a malformed address."""

    @classmethod
    @abstractmethod
    def variables(cls, address: A) -> dict[str, str]:
        """That point other programs at it."""

    @staticmethod
    @abstractmethod
    def shown(address: A) -> str:
        """Without a password."""

    def is_reachable(self, address: A) -> bool:
        # In a thread, because the caller's may have an event loop running.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self.answers(address)).result()


class ServerWithUrl(LocalServer[str]):
    @classmethod
    def address_in_environment(cls) -> str | None:
        return os.environ.get(f"LIXIAO_{cls.__name__.upper()}", "").rstrip("/") or None

    @classmethod
    def variables(cls, address: str) -> dict[str, str]:
        return {f"LIXIAO_{cls.__name__.upper()}": address}

    @staticmethod
    def shown(address: str) -> str:
        return urlsplit(address).netloc.rpartition("@")[2] or address


@dataclass(frozen=True)
class Running(Generic[A]):
    """`server` is None when it was not started here."""

    address: A
    server: LocalServer[A] | None = None

    def wait_ready(self) -> None:
        if self.server:
            self.server.wait_ready()

    def stop(self) -> None:
        if self.server:
            self.server.stop()


def obtain(server: LocalServer[A], *, wait: bool = True, supervisor: Supervisor | None = None) -> Running[A]:
    """The running one that its variable names, else `server`, started. Raises StartFailed.

    Without `wait` it may still be starting. A started one is added to `supervisor`.
    """
    if address := server.address_in_environment():
        if not server.is_reachable(address):
            variable, shown = f"LIXIAO_{server.name.upper()}", server.shown(address)
            raise StartFailed(f"{variable}: nothing answers at {shown}. Start it, or unset the variable.")
        return Running(address)
    if supervisor:
        supervisor.add(server)
    server.start()
    if wait:
        server.wait_ready()
    return Running(server.address, server)
