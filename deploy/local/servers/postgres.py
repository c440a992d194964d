"""PostgreSQL 18 from a wheel.

It refuses to run as root: then it runs as `postgres` or `nobody`, from a copy of the binaries where that user cannot
execute the wheel's.
"""

import secrets
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.local.processes.ports import LOOPBACK
from deploy.local.processes.process import Process, StartFailed
from deploy.local.processes.state_folder import stop_left_running
from deploy.local.servers.postgres_binaries import binaries_for, home_for, unprivileged_user
from deploy.local.servers.server import ANSWER_TIMEOUT_S, ServerWithUrl
from services.kit.runtime.private_files import write_private

SUPERUSER = "lixiao"
PASSWORD_FILE = "password"
INITDB_TIMEOUT_S = 60

SETTINGS = {
    "max_connections": "400",
    "shared_buffers": "128MB",
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "max_wal_size": "512MB",
    # Shared memory by mmap: /dev/shm is 64 MB in many containers.
    "dynamic_shared_memory_type": "mmap",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests of logic, not of crashes."""


class Postgres(ServerWithUrl):
    preferred_port = 54320

    def __init__(self, state: Path, durable: bool = True) -> None:
        super().__init__(state)
        self.durable = durable
        self.stop_signal = signal.SIGINT  # fast shutdown: ends the sessions, then a clean checkpoint

    @property
    def address(self) -> str:
        """The superuser's, for the database `postgres`."""
        password = (self.folder / PASSWORD_FILE).read_text()
        return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.ports['port']}/postgres"

    def start(self) -> Self:
        """Creates the data folder once."""
        self.user = unprivileged_user()
        self.folder.mkdir(parents=True, exist_ok=True)
        stop_left_running(self.folder)  # sessions that outlive a killed server keep its shared memory
        self.cwd = home = home_for(self.user, self.folder)
        # Nothing of the caller's: a PGDATA or PGPORT in it would be obeyed.
        self.env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(home), "TZ": "UTC"}
        binaries, data = binaries_for(self.user, home), home / "data"
        if not data.exists():
            self._initialise(binaries / "initdb", data)
        chosen = SETTINGS | ({} if self.durable else NOT_DURABLE) | {"port": str(self.ports["port"])}
        options = [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]
        self.command = [binaries / "postgres", "-D", data, *options]
        return super().start()

    @staticmethod
    async def answers(address: str) -> bool:
        parts = urlsplit(address)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
            raise StartFailed("LIXIAO_POSTGRES must look like postgresql://superuser:password@host:port/postgres.")
        try:
            await (await asyncpg.connect(address, timeout=ANSWER_TIMEOUT_S)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def _initialise(self, initdb: Path, data: Path) -> None:
        password = secrets.token_urlsafe(18)
        for_initdb, unfinished = data.with_name("initdb-password"), data.with_name("data.unfinished")
        write_private(self.folder / PASSWORD_FILE, password)
        write_private(for_initdb, password)
        shutil.rmtree(unfinished, ignore_errors=True)  # of an initdb that was killed
        unfinished.mkdir(mode=0o700)
        if self.user:
            shutil.chown(for_initdb, self.user)
            shutil.chown(unfinished, self.user)
        options = ["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"]
        command: list[str | Path] = [initdb, "-D", unfinished, "--pwfile", for_initdb, *options]
        Process("initdb", command, log=self.log, cwd=self.cwd, env=self.env, user=self.user).run(INITDB_TIMEOUT_S)
        for_initdb.unlink()
        unfinished.rename(data)


async def create_database(dsn: str, name: str) -> str:
    """Unless it exists; returns its DSN. `dsn`: a superuser's."""
    with suppress(asyncpg.DuplicateDatabaseError):
        await _execute(dsn, f'CREATE DATABASE "{name}"')
    return dsn_of(dsn, name)


async def drop_database(dsn: str, name: str) -> None:
    """If it exists, ending its sessions. `dsn`: a superuser's."""
    await _execute(dsn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def dsn_of(dsn: str, database: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))
