"""How far a peer is: a process of its own that writes to a table."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from bench.fixtures import Sandbox
from bench.peers.watching import Expected, watched
from deploy.local.processes.process import Process
from deploy.local.servers.postgres import create_database, drop_database
from deploy.local.servers.server import Running
from schemas.topics import Topics
from services.kit.kafka.connection import KafkaConnection

STUDENTS = 4
EXPECTED = Expected(STUDENTS, count=10, last={"S0": 4, "S1": 4})
"""Three events each about S0 and S1, the last of their partitions, and two each about the others."""
PEER = """
import asyncio, asyncpg, sys
counted = '''SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                AND (query LIKE '%sum(version)%' AND state = 'idle' OR query LIKE '%cardinality%'))'''
async def write():
    connection = await asyncpg.connect(sys.argv[1])
    for step in sys.argv[2:]:
        student, version = step.split("=")
        await connection.execute("UPDATE peer SET version = $2 WHERE student_id = $1", student, int(version))
        while not await connection.fetchval(counted):
            await asyncio.sleep(0.05)
    await asyncio.sleep(float("inf"))
asyncio.run(write())
"""
"""Each step is an update, and the second comes when the first was counted."""


@pytest.fixture
async def box(postgres: Running) -> AsyncIterator[Sandbox]:
    dsn = await create_database(postgres.address, "bench_watching")
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE peer (student_id text PRIMARY KEY, version bigint NOT NULL)")
    await connection.executemany("INSERT INTO peer VALUES ($1, 1)", [(f"S{number}",) for number in range(STUDENTS)])
    await connection.close()
    yield Sandbox(dsn, KafkaConnection(""), Topics("bench-watching"))
    await drop_database(postgres.address, urlsplit(dsn).path[1:])


def peer(box: Sandbox, folder: Path, *steps: str, code: str = PEER) -> Process:
    return Process("a peer", [sys.executable, "-c", code, box.dsn, *steps], log=folder / "peer.log")


async def test_events_after_the_first_batch_are_counted_until_all_are_there(box: Sandbox, tmp_path: Path) -> None:
    process = peer(box, tmp_path, "S2=3", "S0=4", "S1=4", "S3=3")
    leg = await watched(box, process, "peer", EXPECTED)
    assert leg.events == 8, "two of ten were the first batch; the last of each partition were there before S3's"
    assert process.poll() is not None, "it was ended"


async def test_a_peer_may_be_timed_on_its_first_events(box: Sandbox, tmp_path: Path) -> None:
    leg = await watched(box, peer(box, tmp_path, "S2=3", "S0=4"), "peer", EXPECTED, first_only=5)
    assert leg.events == 3


async def test_a_peer_that_ends_is_named_with_its_last_lines(box: Sandbox, tmp_path: Path) -> None:
    ending = peer(box, tmp_path, code="raise SystemExit('no such broker')")
    with pytest.raises(RuntimeError, match="(?s)a peer ended.*no such broker"):
        await watched(box, ending, "peer", EXPECTED)


async def test_a_peer_that_wrote_everything_at_once_was_not_timed(box: Sandbox, tmp_path: Path) -> None:
    expected = Expected(STUDENTS, count=1, last={"S0": 2})
    with pytest.raises(RuntimeError, match="first batch"):
        await asyncio.wait_for(watched(box, peer(box, tmp_path, "S0=2"), "peer", expected), 60)
