"""A service's supervised loops: relay, consumers, audit sealer, purge, its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

from services.kit.audit.chain import ChainSealer
from services.kit.manifests import discover
from services.kit.messaging.audit_heads.anchor import AuditAnchor
from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.dead_letters.limit import DeadLetterLimit
from services.kit.messaging.faststream_shell import TransactionalRouter
from services.kit.messaging.outbox import Wakeup
from services.kit.messaging.probes import add_consumer_probe, add_relay_probe
from services.kit.messaging.relaying.alive_marks import AliveMarks
from services.kit.messaging.relaying.outbox_metrics import measure_outbox
from services.kit.messaging.relaying.own_topic import PublishedLog
from services.kit.messaging.relaying.relay import Relay
from services.kit.observability.database import measure_database
from services.kit.postgres.pool import database_probe, owns_tables
from services.kit.retention.purge import Purge
from services.kit.retention.tables import Table
from services.kit.runtime.background import background
from services.kit.runtime.health import Health
from services.kit.settings import Settings
from services.kit.signing.configured import signer_of, unverified, verifier_of

Run = Callable[[], Awaitable[None]]


class ServiceLoops:
    def __init__(
        self,
        name: str,
        settings: Settings,
        pool: "asyncpg.Pool[Any]",
        health: Health,
        *,
        wakeup: Wakeup,
        tables: Sequence[Table],
        alive: AliveMarks | None = None,
        published: PublishedLog | None = None,
    ) -> None:
        """`tables`: the service's own list."""
        self._settings, self._pool, self._health, self._wakeup = settings, pool, health, wakeup
        relay = Relay(
            settings.database,
            kafka=settings.kafka_connection,
            name=name,
            wakeup=wakeup,
            alive=alive,
            published=published,
            signer=signer_of(settings),
        )
        health.add("database", database_probe(pool))
        health.add_warning("database role", partial(owns_tables, pool))
        health.add_warning("signatures", partial(unverified, settings))
        add_relay_probe(health, relay)
        anchor = AuditAnchor(
            pool,
            name,
            kafka=settings.kafka_connection,
            topic=settings.topics.audit(name),
            verify=verifier_of(settings, discover(settings.services_folder)),
        )
        health.add_warning("audit", anchor.warning)
        self._loops: dict[str, Run] = {
            "relay": relay.run,
            "outbox metrics": partial(measure_outbox, pool, name),
            "database metrics": partial(measure_database, pool, name),
            "audit sealer": ChainSealer(pool).run,
            "audit anchor": anchor.run,
            "purge": Purge(pool, tables, settings).run,
        }

    def consume(
        self,
        router: TransactionalRouter,
        *,
        name: str,
        after_commit: Callable[[], None] = lambda: None,
        prefix: str = "",
        needs_broker: bool = True,
        after: TransactionalConsumer | None = None,
    ) -> TransactionalConsumer:
        """`prefix` is for a second consumer's probes. Each start waits until `after` has caught up."""
        consumer = TransactionalConsumer(
            router,
            name=name,
            pool=self._pool,
            kafka=self._settings.kafka_connection,
            limit=DeadLetterLimit.of(self._settings),
            after_commit=after_commit,
            relay=self._wakeup,
        )
        self.add_consumer(consumer, prefix=prefix, needs_broker=needs_broker, after=after)
        return consumer

    def add_consumer(
        self,
        consumer: TransactionalConsumer,
        *,
        prefix: str = "",
        needs_broker: bool = True,
        after: TransactionalConsumer | None = None,
    ) -> None:
        async def run() -> None:
            if after is not None:
                await after.caught_up()
            await consumer.run()

        add_consumer_probe(self._health, consumer, prefix=prefix, needs_broker=needs_broker)
        self.add(f"{prefix}consumer", run)

    def add(self, name: str, run: Run) -> None:
        """Raises `ValueError` for a taken name."""
        if name in self._loops:
            raise ValueError(f"two loops are named {name!r}")
        self._loops[name] = run

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stops them in reverse order."""
        async with AsyncExitStack() as stack:
            for name, run in self._loops.items():
                await stack.enter_async_context(background(name, run, self._health))
            yield
