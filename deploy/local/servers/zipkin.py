"""Zipkin, the trace collector. Traces are in memory only."""

import os
import urllib.request
from pathlib import Path

from deploy.local.processes.ports import LOOPBACK, remembered_port
from deploy.local.servers import jars
from deploy.local.servers.java import java_program
from deploy.local.servers.server import LocalServer

PREFERRED_PORT = 19411
HEAP_MB = 256
MAX_SPANS = 50_000
"""A heap of 160 MB was full at 57,000 spans of SQL statements."""


class Zipkin(LocalServer):
    def __init__(self, folder: Path, cache: Path) -> None:
        super().__init__("Zipkin", folder)
        self.cache = cache
        self.port = 0
        self.env = {**os.environ, "MEM_MAX_SPANS": str(MAX_SPANS), "QUERY_LOOKBACK": "604800000"}

    @property
    def address(self) -> str:
        """Spans go to `/api/v2/spans`, pages are at `/zipkin/`."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Fetches the jar once. Raises StartFailed, JarsMissing."""
        (jar,) = jars.ensure("zipkin", self.cache)
        self.port = self.port or remembered_port(self.folder / "port", PREFERRED_PORT)
        options = [f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError"]
        # Its own QUERY_PORT listens on every interface, Armeria's settings on the loopback alone.
        listen = [f"--armeria.ports[0].{key}" for key in (f"ip={LOOPBACK}", f"port={self.port}", "protocols[0]=http")]
        self.command = [java_program(), *options, "-jar", jar, *listen]

    def is_ready(self) -> bool:
        return is_healthy(self.address)


def is_healthy(address: str, timeout_s: float = 2) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=timeout_s) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
