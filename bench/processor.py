"""Processor time of an installation, by service and server.

It drifts less than rates do on a shared machine. Of PostgreSQL what its sessions and its own processes use together,
where the servers are children of this process; what ended meanwhile is not counted.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import psutil

POSTGRES: Final = "PostgreSQL"
KAFKA: Final = "Kafka"
LOAD: Final = "load"


def used() -> dict[str, float]:
    """Seconds since their start: services by name, servers, and the load itself."""
    found: dict[str, float] = defaultdict(float)
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        try:
            times, command = process.cpu_times(), process.cmdline()
        except psutil.Error:
            continue
        found[LOAD if process == here else _name(process, command)] += times.user + times.system
    return dict(found)


def _name(process: psutil.Process, command: list[str]) -> str:
    if "-m" in command:
        return command[command.index("-m") + 1].rpartition(".")[2]
    if (command and command[0].startswith("postgres")) or process.name() == "postgres":
        return POSTGRES
    return KAFKA if process.name() == "java" else process.name()


def spent(before: Mapping[str, float]) -> dict[str, float]:
    """Seconds since `before`, by name, most first."""
    since = {name: at - before.get(name, 0.0) for name, at in used().items()}
    return dict(sorted(since.items(), key=lambda one: -one[1]))
