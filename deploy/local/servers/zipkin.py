"""The trace collector and its pages: Zipkin, one jar. Traces are kept in memory and are gone with it."""

import os
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.processes.ports import LOOPBACK, remembered_port
from deploy.local.processes.process import Process
from deploy.local.servers import jars
from deploy.local.servers.java import java_program
from deploy.local.servers.server import LocalServer

PREFERRED_PORT = 19411
HEAP_MB = 256
SPANS_KEPT = 50_000
"""What fits: at 160 MB the heap was full at 57,000 spans of statements."""


@dataclass
class Zipkin(LocalServer):
    """One collector. `folder` holds its log and port."""

    folder: Path
    cache: Path
    port: int = 0
    process: Process | None = field(default=None, init=False, repr=False)
    name: str = field(default="Zipkin", init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @property
    def address(self) -> str:
        """`http://host:port`: spans go to `/api/v2/spans` below it, the pages are at `/zipkin/`."""
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Start it, fetching the jar at the first time. Raises StartFailed, JarsMissing."""
        (jar,) = jars.ensure("zipkin", self.cache)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or remembered_port(self.folder / "port", PREFERRED_PORT)
        options = [f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]
        # Its own QUERY_PORT listens on every interface; given as Armeria's settings it is the loopback alone.
        listen = [
            f"--armeria.ports[0].ip={LOOPBACK}",
            f"--armeria.ports[0].port={self.port}",
            "--armeria.ports[0].protocols[0]=http",
        ]
        self.process = Process(
            "zipkin",
            [java_program(), *options, "-jar", jar, *listen],
            log=self.folder / "zipkin.log",
            cwd=self.folder,
            env={**os.environ, "MEM_MAX_SPANS": str(SPANS_KEPT), "QUERY_LOOKBACK": "604800000"},
        )
        self.process.start()

    def is_ready(self) -> bool:
        """Whether it says that it is healthy."""
        return is_healthy(self.address)


def is_healthy(address: str, timeout_s: float = 2) -> bool:
    """Whether a Zipkin at `http://host:port` answers its health check with 200."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=timeout_s) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
