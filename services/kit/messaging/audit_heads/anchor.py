"""Publishes the audit's newest seal, and compares the audit with what was published before."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from opentelemetry.instrumentation.utils import suppress_instrumentation

from schemas.events import AuditSealed
from schemas.flows import source_of
from services.kit.audit.chain import Head
from services.kit.audit.heads import KeptHead, missed, standing
from services.kit.kafka.connection import KafkaConnection
from services.kit.messaging.audit_heads.topic import NoTopic, published_heads
from services.kit.messaging.outbox import append
from services.kit.postgres.pool import Connection
from services.kit.signing.records import Verify

EVERY_S: Final = 60.0
"""Entries that are removed within so long of their writing are not missed."""
_FIRST_AFTER_S: Final = 3.0
"""A start has more urgent work."""
_READ_EVERY_S: Final = 300.0
_AGAIN_S: Final = 24 * 3600.0
"""Of a chain that does not grow: the topic keeps records for a time only."""
_NEWEST: Final = 500
_log = structlog.get_logger(__name__)


class AuditAnchor:
    """Runs in every instance: a head that two publish is one head."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        service: str,
        *,
        kafka: KafkaConnection,
        topic: str,
        verify: Verify | None = None,
    ) -> None:
        self._pool, self._service, self._kafka, self._topic, self._verify = pool, service, kafka, topic, verify
        self._published: list[Head] | None = None
        self._since: list[Head] = []
        """Published by this instance since the topic was read."""
        self._read_at, self._published_at = float("-inf"), 0.0
        self._no_topic = False
        self._problem: str | None = None

    async def run(self) -> None:
        await asyncio.sleep(_FIRST_AFTER_S)
        with suppress_instrumentation():
            while True:
                await self.once()
                await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        if self._problem is not None or time.monotonic() - self._read_at >= _READ_EVERY_S:
            await self._read_topic()
        if self._published is None:
            return
        async with self._pool.acquire() as connection, connection.transaction():
            self._note(await missed(connection, [*self._published, *self._since]))
            # Heads of another chain would push what is missed out of the newest that are read.
            if self._problem is None:
                await self._anchor(connection)

    async def warning(self) -> str | None:
        """Of readiness."""
        if self._no_topic:
            return "the audit's topic is missing: provision the topics again; its heads are not kept elsewhere"
        if self._problem is None:
            return None
        return f"{self._problem}: newest entries were removed, or the database was restored; see `audit accept`"

    async def _read_topic(self) -> None:
        try:
            found = await published_heads(self._kafka, self._topic, verify=self._verify, newest=_NEWEST)
        except NoTopic:
            # A record for a topic that is not there would hold up the outbox.
            self._no_topic, self._published = True, None
            return
        except (KafkaError, OSError):
            return
        self._no_topic, self._published, self._since = False, standing(found.kept), []
        self._read_at, self._published_at = time.monotonic(), found.newest_at

    def _note(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            _log.critical("audit.differed", problem=problem)
        self._problem = problem

    async def _anchor(self, connection: Connection) -> None:
        head, now_s = await newest_head(connection), time.time()
        known = [*(self._published or ()), *self._since]
        if head is None or (head in known and now_s - self._published_at < _AGAIN_S):
            return
        await publish(connection, self._service, self._topic, KeptHead(head))
        self._since.append(head)
        self._published_at = now_s


async def newest_head(connection: Connection) -> Head | None:
    row = await connection.fetchrow("SELECT seq, hash FROM audit.seal ORDER BY seq DESC LIMIT 1")
    return Head(row["seq"], row["hash"]) if row else None


async def publish(connection: Connection, service: str, topic: str, kept: KeptHead) -> None:
    event = AuditSealed(service=service, seq=kept.head.seq, hash=kept.head.hash.hex(), accepted=kept.accepted)
    await append(connection, topic=topic, key=service, event=event, source=source_of(service), now=datetime.now(UTC))
