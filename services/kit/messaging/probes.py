"""What a relay and an inbox let health and metrics see of themselves."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from services.kit.messaging.consumer import TransactionalConsumer
from services.kit.messaging.relay import Relay
from services.kit.observability import metrics
from services.kit.runtime.health import Health

AWAY_AFTER_S: Final = 15.0
"""A broker that has not answered for this long is away: an election takes less."""
SILENT_AFTER_S: Final = 60.0
"""A loop that has not turned for this long is dead, whatever else works: restarting heals it."""


def add_relay_probe(health: Health, relay: Relay, name: str) -> None:
    """Live while the relay's loop turns; every look also tells depth and age."""

    async def turns() -> str | None:
        state = relay.state
        metrics.OUTBOX_DEPTH.set(state.depth, {"outbox": name})
        oldest = datetime.now(UTC) - timedelta(seconds=state.oldest_s) if state.depth else None
        metrics.OUTBOX_AGE.tell(oldest, outbox=name)
        return _silent(state.polled_at)

    health.add("relay loop", turns, live=True)


def add_consumer_probe(
    health: Health, inbox: TransactionalConsumer, name: str, *, prefix: str = "", needs_broker: bool = True
) -> None:
    """Live while the consumer polls or waits out a failing store; ready while the broker answers and the store stores.

    `needs_broker=False`: a service that is useful without. `prefix` sets the probes of a second consumer apart.
    """

    async def polls() -> str | None:
        state = inbox.state
        metrics.CONSUMER_LAG.set(state.lag, {"consumer": name})
        return None if state.failing else _silent(state.turned_at)

    async def stores() -> str | None:
        return f"cannot store what it reads: {inbox.state.failing}" if inbox.state.failing else None

    health.add(f"{prefix}inbox loop", polls, live=True)

    async def broker() -> str | None:
        since_s = time.monotonic() - inbox.state.answered_at
        return f"the broker has not answered for {since_s:.0f} s" if since_s > AWAY_AFTER_S else None

    health.add(f"{prefix}inbox store", stores)
    if needs_broker:
        health.add(f"{prefix}inbox broker", broker)


def _silent(turned_at: float) -> str | None:
    since_s = time.monotonic() - turned_at
    return f"has not turned for {since_s:.0f} s" if turned_at and since_s > SILENT_AFTER_S else None
