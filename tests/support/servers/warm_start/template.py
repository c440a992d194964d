"""`python -m tests.support.servers.warm_start.template FD`: processes that become services without importing anything.

The first has imported what every service has. For each program that is asked for it forks a template, which imports
that program and no other; the template forks a service for each request. So a service has the modules that it has when
it is executed, and its start costs no imports.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

from deploy.local.processes.process import die_with_parent
from services.kit.runtime import failpoints

SHARED: Final = (
    "services.kit.cli",
    "services.kit.http.app",
    "services.kit.http.operators.routes",
    "services.kit.http.serving.server",
    "services.kit.messaging.consumer",
    "services.kit.messaging.service_loops",
)
LARGEST_REQUEST: Final = 2**18
NUMBER: Final = struct.Struct("i")
"""What a service's status socket carries: its process id, from itself; then its exit code, as `subprocess` gives it."""


@dataclass(frozen=True)
class Request:
    """`module`: a program, as `python -m` takes it."""

    module: str
    folder: str
    environment: dict[str, str]
    stop_signal: int

    def send(self, control: socket.socket, output: int, status: int) -> None:
        socket.send_fds(control, [json.dumps(asdict(self)).encode()], [output, status])


def received(control: socket.socket) -> tuple[Request, int, socket.socket] | None:
    """A request, where its output goes, and its status socket. None once the other end is closed."""
    text, files, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 2)
    if not text:
        return None
    return Request(**json.loads(text)), files[0], socket.socket(fileno=files[1])


class Template:
    """Answers requests that come by `control`: for one `module`, or, without one, by templates of its own."""

    def __init__(self, control: socket.socket, module: str = "") -> None:
        self._control, self._module = control, module
        self._templates: dict[str, socket.socket] = {}
        self._services: dict[int, tuple[int, socket.socket]] = {}
        """Process file → process id and status socket."""
        self._poll = selectors.PollSelector()  # it has no file that a fork would share
        self._poll.register(control, selectors.EVENT_READ)

    def serve(self) -> Request:
        """Returns in a process that is to be the service; ends this one once `control` is closed."""
        while True:
            for key, _ in self._poll.select():
                if key.fd in self._services:
                    self._reap(key.fd)
                elif (asked := received(self._control)) is None:
                    os._exit(0)  # the services are signalled as their parent ends
                elif (service := self._answer(*asked)) is not None:
                    return service

    def _answer(self, request: Request, output: int, status: socket.socket) -> Request | None:
        """The request in the service itself, None in whoever goes on serving."""
        if not self._module:
            return self._pass_on(request, output, status)
        pid = _forked(signal.Signals(request.stop_signal))
        if pid == 0:
            self._close()
            _become(request, output)
            with status:  # not before it leads its group, which is what a kill ends
                status.send(NUMBER.pack(os.getpid()))
            return request
        os.close(output)
        process = os.pidfd_open(pid)
        self._services[process] = pid, status
        self._poll.register(process, selectors.EVENT_READ)
        return None

    def _pass_on(self, request: Request, output: int, status: socket.socket) -> Request | None:
        if request.module not in self._templates:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if _forked(signal.SIGKILL) == 0:
                ours.close()
                status.close()
                os.close(output)
                self._close()
                with suppress(Exception):  # the service says it again, in its own log
                    _import(f"{request.module}.__main__")
                return Template(theirs, request.module).serve()
            theirs.close()
            self._templates[request.module] = ours
        request.send(self._templates[request.module], output, status.fileno())
        status.close()
        os.close(output)
        return None

    def _reap(self, process: int) -> None:
        pid, status = self._services.pop(process)
        self._poll.unregister(process)
        os.close(process)
        _, ended = os.waitpid(pid, 0)
        with status, suppress(OSError):  # nobody may ask any more
            status.send(NUMBER.pack(os.waitstatus_to_exitcode(ended)))

    def _close(self) -> None:
        """In a child: what is its parent's."""
        for inherited in (self._control, *self._templates.values(), *(one for _, one in self._services.values())):
            inherited.close()
        for process in self._services:
            os.close(process)


def _import(*modules: str) -> None:
    for name in modules:
        importlib.import_module(name)
    gc.freeze()  # a collection of a service would copy every page it shares


def _forked(stop_signal: signal.Signals) -> int:
    prepare = die_with_parent(stop_signal)
    pid = os.fork()
    if pid == 0 and prepare is not None:
        prepare()
    return pid


def _become(request: Request, output: int) -> None:
    os.setsid()
    os.chdir(request.folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for file, at in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(file, at)
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [request.module]
    _show_command(sys.executable, "-m", request.module)


def _show_command(*words: str) -> None:
    """To whoever lists processes, in the place of the command that is executed."""
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    command = "".join(f"{word}\0" for word in words).encode()[: end - start]
    ctypes.memmove(start, command.ljust(end - start, b"\0"), end - start)


def main() -> NoReturn:
    gc.disable()
    _import(*SHARED)
    request = Template(socket.socket(fileno=int(sys.argv[1]))).serve()
    gc.enable()
    importlib.reload(failpoints)  # the one module that reads a variable of ours as it is imported
    sys.modules.pop(f"{request.module}.__main__", None)  # executed again, as the program
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
