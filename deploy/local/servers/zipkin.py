"""Zipkin, the trace collector. Traces are in memory only."""

import os
from typing import Self

from deploy.local.processes.ports import LOOPBACK
from deploy.local.processes.process import answers_ok
from deploy.local.servers import jars
from deploy.local.servers.server import ServerWithUrl

HEAP_MB = 256
MAX_SPANS = 50_000
"""A heap of 160 MB was full at 57,000 spans of SQL statements."""


class Zipkin(ServerWithUrl):
    preferred_port = 19411

    @property
    def address(self) -> str:
        """Spans go to `/api/v2/spans`, pages are at `/zipkin/`."""
        return f"http://{LOOPBACK}:{self.ports['port']}"

    def start(self) -> Self:
        """Fetches the jar once."""
        (jar,) = jars.ensure("zipkin")
        # Its own QUERY_PORT listens on every interface, Armeria's settings on the loopback alone.
        settings = (f"ip={LOOPBACK}", f"port={self.ports['port']}", "protocols[0]=http")
        listen = [f"--armeria.ports[0].{setting}" for setting in settings]
        self.command = jars.java(HEAP_MB, jars.BRIEFLY, "-jar", jar, *listen)
        self.env = {**os.environ, **jars.UNICODE, "MEM_MAX_SPANS": str(MAX_SPANS), "QUERY_LOOKBACK": "604800000"}
        return super().start()

    @staticmethod
    async def answers(address: str) -> bool:
        return answers_ok(f"{address}/health")
