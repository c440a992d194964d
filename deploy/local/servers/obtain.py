"""The three servers everything stands on, by address: running ones named in the environment, else ones started here.

LIXIAO_POSTGRES=postgresql://superuser:password@host:port/postgres
LIXIAO_KAFKA=host:port[,host:port]
LIXIAO_ZIPKIN=http://host:port
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.processes.process import StartFailed
from deploy.local.servers.kafka import Kafka, broker_count
from deploy.local.servers.postgres import Postgres
from deploy.local.servers.server import LocalServer
from deploy.local.servers.zipkin import Zipkin, is_healthy

ANSWER_TIMEOUT_S = 5


@dataclass(frozen=True)
class RunningPostgres:
    """`dsn` of the superuser; `server` is there when it was started here, and can then be killed and paused."""

    dsn: str
    server: Postgres | None


@dataclass(frozen=True)
class RunningKafka:
    """`address` for clients; `broker` is there when it was started here, and can then be killed and paused."""

    address: str
    broker: Kafka | None


@dataclass(frozen=True)
class RunningZipkin:
    """`address` as `http://host:port`; `server` is there when it was started here."""

    address: str
    server: Zipkin | None


@dataclass(frozen=True)
class Running:
    """All three; `parts` are those started here, in the order in which they were."""

    postgres: RunningPostgres
    kafka: RunningKafka
    zipkin: RunningZipkin

    @property
    def parts(self) -> list[LocalServer]:
        """What was started here and must be watched and stopped here."""
        every = (self.postgres.server, self.kafka.broker, self.zipkin.server)
        return [part for part in every if part is not None]


def obtain_all(state: Path, cache: Path) -> Running:
    """All three, the Java ones starting side by side. Raises StartFailed, JarsMissing, with nothing left running."""
    launched: list[LocalServer | None] = []
    try:
        kafka = obtain_kafka(state, cache, wait=False)
        launched.append(kafka.broker)
        zipkin = obtain_zipkin(state, cache, wait=False)
        launched.append(zipkin.server)
        postgres = obtain_postgres(state)
        launched.append(postgres.server)
        for part in launched:
            if part:
                part.wait()
    except BaseException:
        for part in launched:
            if part:
                part.kill()
        raise
    return Running(postgres, kafka, zipkin)


def obtain_postgres(state: Path, *, durable: bool = True) -> RunningPostgres:
    """The server named in LIXIAO_POSTGRES, else one started in `state`. Raises StartFailed."""
    if dsn := os.environ.get("LIXIAO_POSTGRES"):
        parts = urlsplit(dsn)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
            raise StartFailed("LIXIAO_POSTGRES must look like postgresql://superuser:password@host:port/postgres.")
        _must_answer("LIXIAO_POSTGRES", parts.hostname, parts.port or 5432)
        return RunningPostgres(dsn, None)
    server = Postgres(state / "postgres", durable=durable).start()
    return RunningPostgres(server.dsn, server)


def obtain_kafka(state: Path, cache: Path, *, wait: bool = True) -> RunningKafka:
    """The broker named in LIXIAO_KAFKA, else one started in `state`. Raises StartFailed, JarsMissing.

    Without `wait` it returns while the broker is still starting: `broker.wait()` later.
    """
    if address := os.environ.get("LIXIAO_KAFKA"):
        if not any(broker_count(one.strip(), ANSWER_TIMEOUT_S) for one in address.split(",")):
            raise StartFailed(f"LIXIAO_KAFKA={address}: no Kafka answers there. Start it, or unset the variable.")
        return RunningKafka(address, None)
    broker = Kafka(state / "kafka", cache)
    broker.launch()
    if wait:
        broker.wait()
    return RunningKafka(broker.address, broker)


def obtain_zipkin(state: Path, cache: Path, *, wait: bool = True) -> RunningZipkin:
    """The collector named in LIXIAO_ZIPKIN, else one started in `state`; `wait` as for Kafka."""
    if address := os.environ.get("LIXIAO_ZIPKIN", "").rstrip("/"):
        if not is_healthy(address, ANSWER_TIMEOUT_S):
            raise StartFailed(f"LIXIAO_ZIPKIN={address}: no Zipkin answers there. Start it, or unset the variable.")
        return RunningZipkin(address, None)
    server = Zipkin(state / "zipkin", cache)
    server.launch()
    if wait:
        server.wait()
    return RunningZipkin(server.address, server)


def _must_answer(variable: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), timeout=ANSWER_TIMEOUT_S).close()
    except OSError as error:
        raise StartFailed(f"{variable}: nothing answers at {host}:{port} ({error}). Start it, or unset it.") from error
