"""How long records are left to gather before the next batch of typed handlers.

A batch costs about as much for itself as for its records, so when there is much to do, fewer and larger ones do more;
and where a machine is busy each batch takes longer, which is how a process notices.
"""

from typing import Final

LEAST_S: Final = 0.01
"""Of an attempt, what four departments answer comes in one or two batches."""
MOST_S: Final = 0.1
_OF_A_BATCH: Final = 2.0
"""So at least as much time passes between two batches as one of them takes."""


class Gathering:
    """Of one consumer."""

    pause_s: float = LEAST_S

    def took(self, batch_s: float) -> None:
        """The newest batch."""
        self.pause_s = min(max(LEAST_S, _OF_A_BATCH * batch_s), MOST_S)
