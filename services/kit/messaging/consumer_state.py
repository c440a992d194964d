"""Consumer state for health probes and metrics."""

import time
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from services.kit.messaging.log_positions.offsets import NextPosition


@dataclass(slots=True)
class ConsumerState:
    """Instants by `time.monotonic()`, 0 before the first."""

    watched_at: float = 0.0
    """Last turn of the watch; 0 while it does not run."""
    broker_answered_at: float = 0.0
    advanced_at: float = 0.0
    """Last commit of a batch."""
    lag: int = 0
    """Records not yet committed in this member's partitions."""
    failing: str | None = None
    """Error type of the batch being retried."""
    stopped: str | None = None
    """Why it stopped until an operator restarts it."""
    next_offsets: dict[TopicPartition, int] = field(default_factory=dict)
    """As committed by this instance."""
    positions: dict[TopicPartition, NextPosition] = field(default_factory=dict)
    """The same, with what stands before them."""

    def restart(self) -> None:
        self.advanced_at = time.monotonic()
        self.lag, self.failing = 0, None
        self.next_offsets.clear()
        self.positions.clear()
