"""A real PostgreSQL 18 from a wheel: the wheel's `initdb` and `postgres`, over TCP on the loopback, with a password.

PostgreSQL refuses to run as root, so as root it runs as `postgres` or `nobody`, with the binaries copied to where that
user can execute them when the virtual environment lies in a folder closed to others.
"""

import secrets
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from deploy.local.processes.ports import LOOPBACK, remembered_port
from deploy.local.processes.process import Process, StartFailed, tail, wait_until
from deploy.local.servers.postgres_binaries import binaries_for, home_for, unprivileged_user
from deploy.local.servers.server import LocalServer
from services.kit.runtime.private_files import write_private

SUPERUSER = "lixiao"
PREFERRED_PORT = 54320
OPEN_TO_ALL = Path("/var/tmp")  # kept over a restart of the machine, which /tmp is not
INITIALISE_TIMEOUT_S = 60
LEFTOVER_TIMEOUT_S = 15
LEFTOVER_POLL_S = 0.3
SIGNS_OF_LEFTOVER = ("still in use", "postmaster.pid")
READY_LINE = 7  # of postmaster.pid, counted from 0: "ready" once connections are taken

SETTINGS = {
    "max_connections": "400",
    "shared_buffers": "128MB",
    "listen_addresses": LOOPBACK,
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "max_wal_size": "512MB",
    # Shared memory by mmap: /dev/shm is 64 MB in many containers.
    "dynamic_shared_memory_type": "mmap",
}
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests that are about logic and not about crashes: nothing waits for the disk."""


@dataclass
class Postgres(LocalServer):
    """One server. `folder` holds its data, log, password and port, and may be used again by a later start."""

    folder: Path
    port: int = 0
    durable: bool = True
    settings: dict[str, str] = field(default_factory=dict)
    process: Process | None = field(default=None, init=False, repr=False)
    name: str = field(default="PostgreSQL", init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.user = unprivileged_user()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def dsn(self) -> str:
        """`postgresql://…` of the superuser, to the database `postgres`."""
        return f"postgresql://{SUPERUSER}:{self._password()}@{self.address}/postgres"

    def launch(self) -> None:
        """Start it, creating the data folder at the first time. Raises StartFailed with the server's last lines."""
        self.folder.mkdir(parents=True, exist_ok=True)
        binaries = binaries_for(self.user, self.home)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries)
        stop_leftover(self.data)
        self.port = self.port or remembered_port(self.folder / "port", PREFERRED_PORT)
        self.process = Process(
            "postgres",
            [binaries / "postgres", "-D", self.data, "-p", str(self.port), "-k", "", *self._options()],
            log=self.folder / "postgres.log",
            cwd=self.data,
            env=_environment(self.home),
            user=self.user,
            stop_signal=signal.SIGINT,  # fast shutdown: ends the sessions, then a clean checkpoint
        )
        self.process.start()

    def wait(self) -> None:
        """Wait until it is ready, starting again while a killed predecessor's shared memory is being given back."""
        deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
        while True:
            try:
                return super().wait()
            except StartFailed:
                leftover = self.process and any(sign in self.process.tail(5) for sign in SIGNS_OF_LEFTOVER)
                if not self.process or not leftover or time.monotonic() > deadline:
                    raise
                time.sleep(LEFTOVER_POLL_S)
                self.process.start()

    def is_ready(self) -> bool:
        """Whether the server has written down that it takes connections."""
        with suppress(FileNotFoundError, IndexError, ValueError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]) == self.pid and lines[READY_LINE].strip() == "ready"
        return False

    def kill(self) -> None:
        """SIGKILL to the server and all its sessions, as a machine that loses power would."""
        if not self.process:
            return
        children = self._children()
        self.process.kill()
        for child in children:
            with suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(children, timeout=5)

    @cached_property
    def home(self) -> Path:
        """Where data and program lie: `folder`, or a place of its own where the unprivileged user cannot enter it."""
        return home_for(self.user, self.folder)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.home / "data"

    async def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create an empty database, or a copy of `template`; returns its DSN. An existing one is left as it is."""
        return await create_database(self.dsn, name, template=template)

    def _children(self) -> list[psutil.Process]:
        # The server's own processes have groups of their own.
        with suppress(psutil.Error):
            if self.pid:
                return list(psutil.Process(self.pid).children(recursive=True))
        return []

    def _options(self) -> list[str]:
        chosen = SETTINGS | ({} if self.durable else CARELESS) | self.settings
        return [part for key, value in chosen.items() for part in ("-c", f"{key}={value}")]

    def _initialise(self, binaries: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # an initdb that was interrupted
        self.data.mkdir(mode=0o700)
        password_file = self.home / "initdb-password"
        password_file.write_text(self._password())
        password_file.chmod(0o600)
        if self.user:
            shutil.chown(self.data, self.user)
            shutil.chown(password_file, self.user)
        command: list[str | Path] = [
            binaries / "initdb",
            "-D",
            self.data,
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            "--no-instructions",
        ]
        command += ["--pwfile", password_file, "-E", "UTF8", "--locale=C.UTF-8"]
        log = self.folder / "initdb.log"
        process = Process("initdb", command, log=log, cwd=self.data, env=_environment(self.home), user=self.user)
        process.start()
        try:
            wait_until(lambda: process.poll() is not None, what="PostgreSQL's initdb", timeout_s=INITIALISE_TIMEOUT_S)
            if process.poll() != 0:
                raise StartFailed(f"PostgreSQL: initdb failed with code {process.poll()}.\n{tail(log)}")
        except StartFailed:
            shutil.rmtree(self.data, ignore_errors=True)
            raise
        finally:
            process.kill()
            password_file.unlink(missing_ok=True)

    def _password(self) -> str:
        """The superuser's password, made at the first time and kept, readable to its owner alone."""
        file = self.folder / "password"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_private(file, secrets.token_urlsafe(18))
        return file.read_text()


async def create_database(dsn: str, name: str, *, template: str | None = None) -> str:
    """Create a database through a superuser's DSN; returns the DSN of the new one. Existing: left as it is."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        with suppress(asyncpg.DuplicateDatabaseError):
            copied = f' TEMPLATE "{template}"' if template else ""
            await connection.execute(f'CREATE DATABASE "{name}"{copied}')
    finally:
        await connection.close()
    return dsn_of(dsn, name)


async def drop_database(dsn: str, name: str) -> None:
    """Drop a database and end its sessions, through a superuser's DSN. Missing: nothing happens."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


def dsn_of(dsn: str, database: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def stop_leftover(data: Path) -> None:
    """End a server that an earlier, killed launcher left running on this data folder."""
    with suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
        process = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        if str(data) not in process.cmdline():
            return  # the number belongs to another program by now
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(number)
            with suppress(psutil.TimeoutExpired):
                process.wait(LEFTOVER_TIMEOUT_S)
                return


def _environment(home: Path) -> dict[str, str]:
    # Nothing of the caller's: a PGDATA or PGPORT in it would be obeyed.
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(home), "TZ": "UTC"}
