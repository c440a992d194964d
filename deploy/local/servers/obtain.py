"""The three servers: running ones named in the environment, else ones started here.

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
from deploy.local.servers.zipkin import Zipkin, is_healthy

ANSWER_TIMEOUT_S = 5


@dataclass(frozen=True)
class RunningPostgres:
    """`dsn` is the superuser's. `server` is None when it was not started here."""

    dsn: str
    server: Postgres | None


@dataclass(frozen=True)
class RunningKafka:
    """`address` is `host:port[,host:port]`. `broker` is None when it was not started here."""

    address: str
    broker: Kafka | None


@dataclass(frozen=True)
class RunningZipkin:
    """`address` is `http://host:port`. `server` is None when it was not started here."""

    address: str
    server: Zipkin | None


def obtain_postgres(state: Path, *, durable: bool = True) -> RunningPostgres:
    """The server of LIXIAO_POSTGRES, else one started in `state`. Raises StartFailed."""
    if dsn := os.environ.get("LIXIAO_POSTGRES"):
        parts = urlsplit(dsn)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
            raise StartFailed("LIXIAO_POSTGRES must look like postgresql://superuser:password@host:port/postgres.")
        address = parts.hostname, parts.port or 5432
        try:
            socket.create_connection(address, timeout=ANSWER_TIMEOUT_S).close()
        except OSError as error:
            raise _no_answer("LIXIAO_POSTGRES", "PostgreSQL", f"{address[0]}:{address[1]}") from error
        return RunningPostgres(dsn, None)
    server = Postgres(state / "postgres", durable=durable).start()
    return RunningPostgres(server.dsn, server)


def obtain_kafka(state: Path, cache: Path, *, wait: bool = True) -> RunningKafka:
    """The broker of LIXIAO_KAFKA, else one started in `state`. Raises StartFailed, JarsMissing.

    Without `wait` it returns while the broker is still starting: call `broker.wait_ready()` later.
    """
    if address := os.environ.get("LIXIAO_KAFKA"):
        if not broker_count(address, ANSWER_TIMEOUT_S):
            raise _no_answer("LIXIAO_KAFKA", "Kafka", address)
        return RunningKafka(address, None)
    broker = Kafka(state / "kafka", cache)
    broker.launch()
    if wait:
        broker.wait_ready()
    return RunningKafka(broker.address, broker)


def obtain_zipkin(state: Path, cache: Path, *, wait: bool = True) -> RunningZipkin:
    """The collector of LIXIAO_ZIPKIN, else one started in `state`; `wait` as for Kafka."""
    if address := os.environ.get("LIXIAO_ZIPKIN", "").rstrip("/"):
        if not is_healthy(address, ANSWER_TIMEOUT_S):
            raise _no_answer("LIXIAO_ZIPKIN", "Zipkin", address)
        return RunningZipkin(address, None)
    server = Zipkin(state / "zipkin", cache)
    server.launch()
    if wait:
        server.wait_ready()
    return RunningZipkin(server.address, server)


def _no_answer(variable: str, server: str, address: str) -> StartFailed:
    return StartFailed(f"{variable}: no {server} answers at {address}. Start it, or unset the variable.")
