"""The machine, versions and settings that decide the figures."""

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import asyncpg
import psutil

from services.kit.kafka.connection import KafkaConnection

PACKAGES: Final = ("aiokafka", "faststream", "asyncpg", "msgspec", "pydantic", "fastapi", "uvicorn", "uvloop")
SETTINGS: Final = ("synchronous_commit", "fsync", "shared_buffers", "max_wal_size", "wal_compression")


async def describe(postgres: str, kafka: KafkaConnection) -> list[str]:
    connection = await asyncpg.connect(postgres, timeout=10)
    try:
        number = await connection.fetchval("SHOW server_version")
        settings = [f"{name}={await connection.fetchval(f'SHOW {name}')}" for name in SETTINGS]
        commit_us = await _commit_us(connection)
    finally:
        await connection.close()
    return [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        f"Python {platform.python_version()} · " + " · ".join(f"{name} {version(name)}" for name in PACKAGES),
        f"PostgreSQL {number}: {', '.join(settings)}; a commit of one row takes {commit_us:,.0f} µs",
        f"Kafka: {kafka.bootstrap_servers}, {kafka.security_protocol}, one broker on this machine",
        f"Busy before the run: {foreign_cores():.1f} of {os.cpu_count()} cores by other processes "
        f"(load {os.getloadavg()[0]:.1f})",
    ]


async def _commit_us(connection: "asyncpg.Connection[asyncpg.Record]", times: int = 50) -> float:
    await connection.execute("CREATE TABLE IF NOT EXISTS bench_commit (n int)")
    started_s = time.perf_counter()
    for number in range(times):
        await connection.execute("INSERT INTO bench_commit VALUES ($1)", number)
    took_s = time.perf_counter() - started_s
    await connection.execute("DROP TABLE bench_commit")
    return took_s * 1e6 / times


def foreign_cores(over_s: float = 1.0) -> float:
    """Cores that other processes use while this one waits."""
    return psutil.cpu_percent(over_s) / 100 * (os.cpu_count() or 1)
