"""Rendered answers, each kept with what it was made from.

An answer is used again only for an equal input; nothing else ends it, no time and no notification, so one that is
outdated cannot be found. Whatever an answer depends on belongs into its input.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.shown.document import ShownPage

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of answers; the inputs take about a fifth of that besides."""
Pieces = tuple[bytes, ...]
"""An answer, cut where each session's own token belongs."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """`shown`: what is kept of it for later, if anything."""

    pieces: Pieces
    shown: ShownPage | None = None


class KeptAnswers:
    """The newest answer under each key; the least recently used are dropped."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._answers: OrderedDict[Hashable, tuple[Any, KeptAnswer]] = OrderedDict()
        self.size = 0
        """Bytes."""

    def get(self, key: Hashable, made_from: Any) -> KeptAnswer | None:
        """None unless the answer under `key` was made from an equal input."""
        found = self._answers.get(key)
        if found is None or found[0] != made_from:
            return None
        self._answers.move_to_end(key)
        return found[1]

    def put(self, key: Hashable, made_from: Any, answer: KeptAnswer) -> None:
        self._drop(self._answers.pop(key, None))
        self._answers[key] = made_from, answer
        self.size += _size(answer)
        while self.size > self._max_bytes:
            self._drop(self._answers.popitem(last=False)[1])

    def _drop(self, found: tuple[Any, KeptAnswer] | None) -> None:
        self.size -= _size(found[1]) if found else 0


def _size(answer: KeptAnswer) -> int:
    return sum(map(len, answer.pieces))
