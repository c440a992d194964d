"""PostgreSQL 18 from a wheel.

It refuses to run as root: then it runs as `postgres` or `nobody`, from a copy of the binaries where that user cannot
execute the wheel's.
"""

import secrets
import shutil
import signal
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from deploy.local.processes.ports import LOOPBACK, remembered_port
from deploy.local.processes.process import Process, StartFailed
from deploy.local.servers.postgres_binaries import binaries_for, home_for, unprivileged_user
from deploy.local.servers.server import START_TIMEOUT_S, LocalServer
from services.kit.runtime.private_files import write_private

SUPERUSER = "lixiao"
PREFERRED_PORT = 54320
INITDB_TIMEOUT_S = 60
LEFTOVER_TIMEOUT_S = 15
LEFTOVER_POLL_S = 0.3
SIGNS_OF_LEFTOVER = ("still in use", "postmaster.pid")
READY_LINE = 7  # of postmaster.pid, counted from 0: "ready" once connections are accepted

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


class Postgres(LocalServer):
    def __init__(self, folder: Path, durable: bool = True) -> None:
        super().__init__("PostgreSQL", folder)
        self.durable = durable
        self.port = 0
        self.user = unprivileged_user()
        self.stop_signal = signal.SIGINT  # fast shutdown: ends the sessions, then a clean checkpoint

    @property
    def dsn(self) -> str:
        """The superuser's, for the database `postgres`."""
        return f"postgresql://{SUPERUSER}:{self._password()}@{LOOPBACK}:{self.port}/postgres"

    address = dsn

    @cached_property
    def home(self) -> Path:
        """Another than `folder` where the unprivileged user cannot enter that."""
        return home_for(self.user, self.folder)

    @property
    def data(self) -> Path:
        return self.home / "data"

    def prepare(self) -> None:
        """Creates the data folder once. Raises StartFailed."""
        self.cwd = self.home
        # Nothing of the caller's: a PGDATA or PGPORT in it would be obeyed.
        self.env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(self.home), "TZ": "UTC"}
        binaries = binaries_for(self.user, self.home)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries / "initdb")
        self.port = self.port or remembered_port(self.folder / "port", PREFERRED_PORT)
        chosen = SETTINGS | ({} if self.durable else NOT_DURABLE) | {"port": str(self.port)}
        options = [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]
        self.command = [binaries / "postgres", "-D", self.data, *options]

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Retries while a killed predecessor's shared memory is being released."""
        deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
        while True:
            try:
                return super().wait_ready(timeout_s)
            except StartFailed:
                leftover = any(sign in self.tail(5) for sign in SIGNS_OF_LEFTOVER)
                if not leftover or time.monotonic() > deadline:
                    raise
                time.sleep(LEFTOVER_POLL_S)
                Process.start(self)

    def is_ready(self) -> bool:
        with suppress(FileNotFoundError, IndexError, ValueError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]) == self.pid and lines[READY_LINE].strip() == "ready"
        return False

    def kill(self) -> None:
        """With all its sessions, as at a loss of power."""
        sessions: list[psutil.Process] = []
        with suppress(psutil.Error):  # they lead groups of their own
            sessions = psutil.Process(self.pid).children(recursive=True) if self.pid else []
        super().kill()
        for session in sessions:
            with suppress(psutil.Error):
                session.kill()
        psutil.wait_procs(sessions, timeout=5)

    def _initialise(self, initdb: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # of an initdb that was interrupted
        self.data.mkdir(mode=0o700)
        password_file = self.home / "initdb-password"
        write_private(password_file, self._password())
        if self.user:
            shutil.chown(self.data, self.user)
            shutil.chown(password_file, self.user)
        options = ["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"]
        command: list[str | Path] = [initdb, "-D", self.data, "--pwfile", password_file, *options]
        try:
            Process("initdb", command, log=self.log, cwd=self.cwd, env=self.env, user=self.user).run(INITDB_TIMEOUT_S)
        except StartFailed:
            shutil.rmtree(self.data, ignore_errors=True)
            raise
        finally:
            password_file.unlink()

    def _password(self) -> str:
        file = self.folder / "password"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(18))
        return file.read_text()


async def create_database(dsn: str, name: str) -> str:
    """Unless it exists; returns its DSN. `dsn`: a superuser's."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        with suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return dsn_of(dsn, name)


async def drop_database(dsn: str, name: str) -> None:
    """If it exists, ending its sessions. `dsn`: a superuser's."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


def dsn_of(dsn: str, database: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))
