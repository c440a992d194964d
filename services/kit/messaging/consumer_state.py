"""What a consumer shows of itself to health probes and metrics."""

import time
from dataclasses import dataclass, field

from aiokafka import TopicPartition


@dataclass(slots=True)
class ConsumerState:
    """Instants are of `time.monotonic()`, 0 before the first."""

    watched_at: float = 0.0
    """When the watch over the consumer last turned."""
    broker_answered_at: float = 0.0
    advanced_at: float = 0.0
    """When a batch was last committed."""
    lag: int = 0
    """Records between this member's positions and the ends of its partitions."""
    failing: str | None = None
    """Kind of the error the current batch is retried for."""
    stopped: str | None = None
    """Why the consumer has stopped for good; only an operator starts it again."""
    next_offsets: dict[TopicPartition, int] = field(default_factory=dict)
    """Next offset of each partition this instance has committed to the database."""

    def restart(self) -> None:
        """The consumer starts (again): nothing is known but when the broker last answered."""
        self.advanced_at = time.monotonic()
        self.lag, self.failing = 0, None
        self.next_offsets.clear()
