"""One open page's stream.

Thousands are open and nearly all of them wait. So a stream keeps what the next read is compared with and no page, and
has no task and no queue of its own: what is to be sent is written by a task that ends with it.
"""

import asyncio
from collections.abc import Iterable

from opentelemetry.trace import Span
from starlette.types import Send

from services.gateway.case.live.push_spans import Versions
from services.gateway.i18n.catalogue import Texts
from services.kit.observability import subjects


class Stream:
    __slots__ = (
        "_ended",
        "_send",
        "_sending",
        "_shown",
        "_waiting",
        "id_hash",
        "made_from",
        "shown_until",
        "student_id",
        "texts",
        "versions",
    )

    def __init__(self, id_hash: bytes, student_id: str, texts: Texts) -> None:
        self.id_hash, self.student_id, self.texts = id_hash, student_id, texts
        self.made_from: int | None = None
        """Hash of all that the newest page was made from; None when another has to be made."""
        self.versions: Versions = ()
        """Of the departments' statuses on it."""
        self.shown_until: float | None = None
        """When the newest status on it became true, in seconds; None before the first page."""
        self._shown: int | None = None
        """Hash of what was offered last."""
        self._waiting: tuple[bytes, bool, tuple[Span, ...]] | None = None
        """Only the newest: a slow reader skips the others."""
        self._send: Send | None = None
        """ASGI's; it waits while the client does not read."""
        self._sending: asyncio.Task[None] | None = None
        self._ended = False

    @property
    def idle(self) -> bool:
        return self._sending is None and self._send is not None and not self._ended

    @property
    def ended(self) -> bool:
        return self._ended

    def is_new(self, frame: bytes) -> bool:
        return hash(frame) != self._shown and not self._ended

    def offer(self, frame: bytes, spans: tuple[Span, ...] = ()) -> None:
        """Sent unless it is what was offered last. `spans` end with what becomes of it."""
        if self.is_new(frame):
            self._shown = hash(frame)
            self._put(frame, True, spans)
        else:
            _end(spans, "replaced")

    def ping(self, frame: bytes) -> None:
        """Of a stream that has nothing else to send."""
        if self.idle:
            self._put(frame, True, ())

    def end(self, frame: bytes = b"") -> None:
        """The last that is sent."""
        if not self._ended:
            self._ended = True
            self._put(frame, False, ())

    def start(self, send: Send) -> None:
        """The response has begun: what was offered before is sent now."""
        self._send = send
        self._send_by_task()

    def close(self) -> None:
        """The client has gone, or all was sent."""
        self._ended = True
        if self._sending is not None:
            self._sending.cancel()
        if self._waiting is not None:
            _end(self._waiting[2], "gone")
            self._waiting = None

    def _put(self, frame: bytes, more: bool, spans: tuple[Span, ...]) -> None:
        if self._waiting is not None:
            _end(self._waiting[2], "replaced")
        self._waiting = frame, more, spans
        self._send_by_task()

    def _send_by_task(self) -> None:
        if self._sending is None and self._waiting is not None and self._send is not None:
            self._sending = asyncio.get_running_loop().create_task(self._send_waiting(self._send))

    async def _send_waiting(self, send: Send) -> None:
        spans: tuple[Span, ...] = ()
        try:
            while self._waiting is not None:
                (frame, more, spans), self._waiting = self._waiting, None
                await send({"type": "http.response.body", "body": frame, "more_body": more})
                _end(spans, "sent")
                spans = ()
        finally:
            self._sending = None
            _end(spans, "gone")


def _end(spans: Iterable[Span], outcome: str) -> None:
    for span in spans:
        subjects.end(span, outcome)
