"""The three servers: running ones named in the environment, else ones started here.

LIXIAO_POSTGRES=postgresql://superuser:password@host:port/postgres
LIXIAO_KAFKA=host:port[,host:port]
LIXIAO_ZIPKIN=http://host:port
"""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from deploy.local.processes.process import StartFailed
from deploy.local.servers.kafka import Kafka, broker_count
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.server import LocalServer
from deploy.local.servers.zipkin import Zipkin, is_healthy

ANSWER_TIMEOUT_S = 5
S = TypeVar("S", bound=LocalServer)


@dataclass(frozen=True)
class Running(Generic[S]):
    """`address` as its variable has it. `server` is None when it was not started here."""

    address: str
    server: S | None = None

    def wait_ready(self) -> None:
        if self.server:
            self.server.wait_ready()

    def stop(self) -> None:
        if self.server:
            self.server.stop()


RunningKafka = Running[Kafka]
RunningZipkin = Running[Zipkin]


class RunningPostgres(Running[Postgres]):
    @property
    def dsn(self) -> str:
        """The superuser's."""
        return self.address


def obtain_postgres(state: Path, *, durable: bool = True) -> RunningPostgres:
    """Raises StartFailed."""
    found = _obtain("LIXIAO_POSTGRES", _accepts, lambda: Postgres(state / "postgres", durable=durable), wait=True)
    return RunningPostgres(found.address, found.server)


def obtain_kafka(state: Path, cache: Path, *, wait: bool = True) -> RunningKafka:
    """Raises StartFailed, JarsMissing. Without `wait` it may still be starting."""
    return _obtain(
        "LIXIAO_KAFKA",
        lambda address: broker_count(address, ANSWER_TIMEOUT_S) > 0,
        lambda: Kafka(state / "kafka", cache),
        wait=wait,
    )


def obtain_zipkin(state: Path, cache: Path, *, wait: bool = True) -> RunningZipkin:
    """As `obtain_kafka`."""
    return _obtain(
        "LIXIAO_ZIPKIN",
        lambda address: is_healthy(address, ANSWER_TIMEOUT_S),
        lambda: Zipkin(state / "zipkin", cache),
        wait=wait,
    )


def _obtain(variable: str, answers: Callable[[str], bool], make: Callable[[], S], *, wait: bool) -> Running[S]:
    if address := os.environ.get(variable, "").rstrip("/"):
        if not answers(address):
            shown = urlsplit(address).netloc.rpartition("@")[2] or address  # without the password
            raise StartFailed(f"{variable}: nothing answers at {shown}. Start it, or unset the variable.")
        return Running(address)
    server = make()
    server.launch()
    if wait:
        server.wait_ready()
    return Running(server.address, server)


def _accepts(dsn: str) -> bool:
    parts = urlsplit(dsn)
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
        raise StartFailed("LIXIAO_POSTGRES must look like postgresql://superuser:password@host:port/postgres.")
    try:
        socket.create_connection((parts.hostname, parts.port or 5432), timeout=ANSWER_TIMEOUT_S).close()
    except OSError:
        return False
    return True
