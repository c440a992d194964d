"""Services that start from a template: a fork, instead of two seconds of imports for each of some hundred starts.

What is executed as before: `make demo` and its tests, the services' commands, and a start from another tree or with
variables that a module may read as it is imported.
"""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar, Final, Self

import pytest

from deploy.local import services
from deploy.local.processes.process import READY_TIMEOUT_S, Child, Process, die_with_parent
from tests.support.paths import ROOT
from tests.support.servers.warm_start.template import NUMBER, Request

READ_LATER: Final = ("LIXIAO_", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_", "PYTEST_CURRENT_TEST")
"""Variables, by how they begin, that no module reads as it is imported."""
STARTED_WITHIN_S: Final = 300.0
"""On a machine that has much else to do: the first service waits for all imports."""


class WarmChild:
    """As `subprocess.Popen` of a service. Its parent is a template, which tells how it ended."""

    def __init__(self, status: socket.socket) -> None:
        self._status = status
        self._pid: int | None = None
        self._code: int | None = None

    @property
    def pid(self) -> int:
        """Once the template has forked it."""
        if self._pid is None:
            self._status.settimeout(STARTED_WITHIN_S)
            self._pid = self._received()
        return self._pid

    def poll(self) -> int | None:
        return self._code if self._ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        assert self._code is not None
        return self._code

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _ended(self, timeout_s: float | None) -> bool:
        if self._code is None and self.pid:
            readable = select.poll()
            readable.register(self._status, select.POLLIN)
            if readable.poll(None if timeout_s is None else timeout_s * 1000):
                self._code = self._received()
                self._status.close()
        return self._code is not None

    def _received(self) -> int:
        data = self._status.recv(NUMBER.size)
        if not data:
            raise RuntimeError("the template of the service has ended")
        number: int = NUMBER.unpack(data)[0]
        return number


class Templates:
    """The templates of one test session; the first service starts them, all with its environment."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "templates.log"
        self._control: socket.socket | None = None
        self._first: subprocess.Popen[bytes] | None = None
        self._environment: Mapping[str, str] = {}

    def fit(self, process: Process) -> bool:
        """Whether the process would be the same if it were executed."""
        environment = process.env or {}
        program = list(process.command[:2]) == [sys.executable, "-m"] and len(process.command) == 3
        if not program or process.cwd != ROOT or process.user:
            return False
        return not self._environment or _at_import(environment) == self._environment

    def start(self, process: Process, output: IO[bytes]) -> Child:
        environment = dict(process.env or {})
        request = Request(str(process.command[2]), str(process.cwd), environment, process.stop_signal)
        ours, theirs = socket.socketpair()
        with theirs:
            request.send(self._started(environment), output.fileno(), theirs.fileno())
        return WarmChild(ours)

    def close(self) -> None:
        """The services that still run end too."""
        if self._control is not None and self._first is not None:
            self._control.close()
            self._first.wait()

    def _started(self, environment: Mapping[str, str]) -> socket.socket:
        if self._control is None:
            self._environment = _at_import(environment)
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs, self._log.open("ab") as log:
                self._first = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.servers.warm_start.template", str(theirs.fileno())],
                    cwd=ROOT,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                    preexec_fn=die_with_parent(signal.SIGKILL),
                )
        return self._control


class WarmProcess(Process):
    """A service's process, from a template where that is the same."""

    templates: ClassVar[Templates]

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """The time is counted from when it has been forked."""
        assert self._child is None or self._child.pid
        return super().wait_ready(timeout_s)

    def _launched(self, output: IO[bytes]) -> Child:
        if self.templates.fit(self):
            return self.templates.start(self, output)
        return super()._launched(output)


@contextmanager
def warm_services(folder: Path) -> Iterator[None]:
    """Within, services that the launcher starts are forked from templates. `folder`: for the templates' log."""
    templates = Templates(folder)
    with pytest.MonkeyPatch.context() as patched:
        if hasattr(os, "pidfd_open"):
            patched.setattr(WarmProcess, "templates", templates, raising=False)
            patched.setattr(services, "Process", WarmProcess)
        try:
            yield
        finally:
            templates.close()


def _at_import(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(READ_LATER)}
