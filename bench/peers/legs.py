"""How each peer is started: what it reads, and the table it writes to."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import asyncpg

from bench import events
from bench.fixtures import Sandbox
from bench.harness import Leg
from bench.peers.watching import Expected, watched
from deploy.flink.guard import FILE
from deploy.local.processes.process import Process
from deploy.local.servers import flink
from deploy.local.servers.jars import cache_folder

FOLDER: Final = Path(__file__).parent
PATHWAY: Final = "Pathway"
QUIX: Final = "Quix Streams"
FLINK: Final = "Flink SQL"
SCRIPTS: Final = {PATHWAY: "with_pathway.py", QUIX: "with_quix.py"}
CORES: Final = "2"
"""Ours has two connections, and Flink's job two tasks."""
FLINKS: Final = 60_000
"""It is timed on the first events, as its rate holds for the rest."""
TABLE: Final = "peer_status"
# The view's key and columns without positions, reasons and marks, which no peer fills.
_TABLE: Final = f"""
CREATE TABLE {TABLE} (
    student_id text, department text, version bigint NOT NULL, occurred_at text NOT NULL, status jsonb NOT NULL,
    PRIMARY KEY (student_id, department)
) WITH (fillfactor = 70);
CREATE SCHEMA flink;
CREATE TABLE flink.status (LIKE public.status INCLUDING ALL) WITH (fillfactor = 70);
"""
_RESET: Final = f"""
TRUNCATE {TABLE}, flink.status;
INSERT INTO {TABLE} SELECT student_id, department, version, occurred_at::text, status::jsonb FROM view_before;
INSERT INTO flink.status SELECT * FROM view_before;
"""


def python() -> Path:
    """Of the environment that `make bench-peers` makes."""
    return cache_folder() / "bench-peers" / "bin" / "python"


def installed() -> list[str]:
    """The peers that can be started."""
    scripts = list(SCRIPTS) if python().exists() else []
    return [*scripts, *([FLINK] if flink.home().exists() else [])]


async def prepare(sandbox: Sandbox) -> None:
    """After the view's seeds are there."""
    connection = await asyncpg.connect(sandbox.dsn)
    try:
        await connection.execute(_TABLE + FILE.read_text("utf-8"))
    finally:
        await connection.close()


async def reset(sandbox: Sandbox) -> None:
    connection = await asyncpg.connect(sandbox.dsn)
    try:
        await connection.execute(_RESET)
        await connection.execute(f"VACUUM ANALYZE {TABLE}, flink.status")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def leg(sandbox: Sandbox, name: str, expected: Expected) -> Leg:
    """Raises RuntimeError with the peer's last lines."""
    await reset(sandbox)
    with tempfile.TemporaryDirectory() as folder:
        if name == FLINK:
            job = _flink(sandbox, Path(folder))
            return await watched(sandbox, job, "flink.status", expected, first_only=min(FLINKS, expected.count))
        return await watched(sandbox, _script(sandbox, name, Path(folder)), TABLE, expected)


def _script(sandbox: Sandbox, name: str, folder: Path) -> Process:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "PATHWAY_THREADS": CORES,
        "PEER": json.dumps(_peer(sandbox)),
    }
    command = [python(), FOLDER / SCRIPTS[name]]
    return Process(name, command, log=folder / "peer.log", cwd=folder, env=environment)


def _peer(sandbox: Sandbox) -> dict[str, Any]:
    kafka, database = sandbox.kafka, urlsplit(sandbox.dsn)
    assert kafka.sasl_password_file is not None
    return {
        "kafka": {
            "bootstrap.servers": kafka.bootstrap_servers,
            "security.protocol": kafka.security_protocol.lower(),
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.sasl_username,
            "sasl.password": kafka.sasl_password_file.read_text().strip(),
        },
        "group": f"bench-{uuid4()}",
        "topic": sandbox.topics.status(events.DEPARTMENT),
        "table": TABLE,
        "postgres": {
            "host": database.hostname,
            "port": database.port,
            "dbname": sandbox.database,
            "user": database.username,
            "password": unquote(database.password or ""),
        },
    }


def _flink(sandbox: Sandbox, folder: Path) -> Process:
    """The job of `deploy/flink`: the projector's own merge in a trigger, without dead letters and exceptions on forms.

    It repeats records after a failure: its positions are in checkpoints, not in the transaction that writes the rows.
    """
    variables = flink.variables(sandbox.topics.namespace, sandbox.kafka, sandbox.dsn, search_path="flink, public")
    return flink.job(folder, variables)
