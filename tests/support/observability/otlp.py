"""Traces as an OTLP collector takes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from opentelemetry.proto.trace.v1.trace_pb2 import Span
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from deploy.local.processes.ports import free_port


class Otlp:
    """A receiver on a port of its own. What nobody watches for is let go."""

    def __init__(self) -> None:
        self.port = free_port()
        self._receiver = OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=self.port))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self._receiver.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._receiver.stop()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[list[Span]]:
        """Every span that comes meanwhile."""
        spans: list[Span] = []

        async def watch() -> None:
            async for span in self._receiver.stream_traces():
                spans.append(span)

        watching = asyncio.create_task(watch())
        try:
            yield spans
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def attributes(span: Span) -> dict[str, str]:
    """Texts alone."""
    return {one.key: one.value.string_value for one in span.attributes if one.value.HasField("string_value")}
