"""Health probes of relays and consumers."""

import time
from typing import Final

from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.relaying.relay import Relay
from services.kit.runtime.health import Health

BROKER_DOWN_AFTER_S: Final = 15.0
"""An election takes less."""
SILENT_AFTER_S: Final = 60.0
"""A loop silent for longer is dead; a restart heals it."""


def add_relay_probe(health: Health, relay: Relay) -> None:
    async def loop() -> str | None:
        return _silent(relay.state.polled_at)

    health.add("relay loop", loop, live=True)


def add_consumer_probe(
    health: Health, consumer: TransactionalConsumer, *, prefix: str = "", needs_broker: bool = True
) -> None:
    """`needs_broker=False`: ready without one. `prefix` is for a second consumer."""
    state = consumer.state

    async def loop() -> str | None:
        return None if state.failing or state.stopped else _silent(state.watched_at)

    async def store() -> str | None:
        if state.stopped:
            return (
                f"stopped: {state.stopped}; deploy a decoder that reads them, or raise LIXIAO_DEAD_LETTER_MAX_RATIO"
                " or LIXIAO_DEAD_LETTER_MAX_CONSECUTIVE, and restart"
            )
        return f"cannot store what it reads: {state.failing}" if state.failing else None

    async def broker() -> str | None:
        since_s = time.monotonic() - state.broker_answered_at
        if state.stopped or since_s <= BROKER_DOWN_AFTER_S:
            return None
        return f"the broker has not answered for {since_s:.0f} s"

    health.add(f"{prefix}consumer loop", loop, live=True)
    health.add(f"{prefix}consumer store", store)
    if needs_broker:
        health.add(f"{prefix}consumer broker", broker)


def _silent(at: float) -> str | None:
    since_s = time.monotonic() - at
    return f"has not run for {since_s:.0f} s" if at and since_s > SILENT_AFTER_S else None
