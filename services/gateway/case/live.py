"""Live updates: after a notification, which carries nothing, the connected students are read again.

One query reads all of them, at most ten times a second. A stream gets the whole page whenever it differs from its last,
so a lost notification or connection loses nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.gateway.case.present import present
from services.gateway.case.progress import CaseProgress, case_progress
from services.gateway.case.view_model import CasePage
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.students import ReadModel, ReadModelError
from services.gateway.read_model.types import Command
from services.gateway.tables.sessions.session import Session
from services.gateway.university import Site
from services.kit.message_format import Language
from services.kit.observability import metrics

MAX_PER_SESSION: Final = 4
"""Of the six connections that a browser opens to a host on HTTP/1.1."""
MIN_INTERVAL_S: Final = 0.1
MAX_INTERVAL_S: Final = 5.0
"""Between reads without notifications: a department that falls silent changes checks too."""


class TooManyStreams(Exception):
    """Of the session, or of the process."""


@dataclass(frozen=True, slots=True)
class StateUpdate:
    page: CasePage


@dataclass(frozen=True, slots=True)
class Outage:
    """The read model does not answer."""

    since: datetime


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """With `reconnect`, only this server stops; else the session ended."""

    reconnect: bool = False


StreamUpdate = StateUpdate | Outage | StreamEnded


@dataclass(eq=False, slots=True)
class Stream:
    """`updates` holds only the newest: a slow reader skips the others."""

    session: Session
    texts: Texts
    updates: "asyncio.Queue[StreamUpdate]" = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    last: StreamUpdate | None = None
    session_confirmed: bool = False
    """Found alive since the stream connected."""
    shown_until: datetime | None = None
    """When the newest status on the page became true; None before the first page."""

    def offer(self, update: StreamUpdate) -> None:
        if update == self.last or isinstance(self.last, StreamEnded):
            return
        self.last = update
        with suppress(asyncio.QueueEmpty):
            self.updates.get_nowait()
        self.updates.put_nowait(update)


class Hub:
    """The streams of this process.

    Those of a session that ended elsewhere end within about `session_check_s`, or at the next read when just connected.
    """

    def __init__(
        self,
        read_model: ReadModel,
        commands: Callable[[Collection[str]], Awaitable[dict[str, tuple[Command, ...]]]],
        comments: Callable[[Collection[str]], Awaitable[dict[str, tuple[LineComment, ...]]]],
        alive_sessions: Callable[[Collection[bytes]], Awaitable[frozenset[bytes]]],
        *,
        site: Site,
        max_streams: int,
        session_check_s: float,
        shown: Callable[[str, Language, CasePage, CaseProgress], None] = lambda *_: None,
    ) -> None:
        """`shown` is told of each page that a stream is given."""
        self._read_model, self._commands, self._comments = read_model, commands, comments
        self._alive_sessions = alive_sessions
        self._site, self._max_streams = site, max_streams
        self._session_check_s, self._shown = session_check_s, shown
        self._streams: set[Stream] = set()
        self._changed = asyncio.Event()
        self._closed = False

    def notify(self) -> None:
        self._changed.set()

    @asynccontextmanager
    async def connect(self, session: Session, texts: Texts) -> AsyncIterator[Stream]:
        """Raises `TooManyStreams`."""
        of_session = sum(stream.session.id_hash == session.id_hash for stream in self._streams)
        if len(self._streams) >= self._max_streams or of_session >= MAX_PER_SESSION:
            raise TooManyStreams
        stream = Stream(session, texts)
        self._streams.add(stream)
        self._measure()
        if self._closed:
            stream.offer(StreamEnded(reconnect=True))
        self.notify()
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            self._measure()

    def end(self, id_hash: bytes) -> None:
        for stream in self._streams:
            if stream.session.id_hash == id_hash:
                stream.offer(StreamEnded())

    def close(self) -> None:
        """Ends later connections too: a server that stops would wait for them."""
        self._closed = True
        for stream in self._streams:
            stream.offer(StreamEnded(reconnect=True))

    @property
    def count(self) -> int:
        return len(self._streams)

    def _measure(self) -> None:
        metrics.LIVE_STREAMS.set(len(self._streams))

    async def run(self) -> None:
        self._measure()
        checked = time.monotonic()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(MAX_INTERVAL_S, self._session_check_s))
            self._changed.clear()
            started = time.monotonic()
            if self._streams:
                with suppress_instrumentation():
                    await self._update_streams()
                    due = started - checked > self._session_check_s
                    await self._end_signed_out([one for one in self._streams if due or not one.session_confirmed])
                    checked = started if due else checked
            # A pause in proportion to the read, so that streams never crowd out pages.
            await asyncio.sleep(max(MIN_INTERVAL_S, 3 * (time.monotonic() - started)))

    async def _update_streams(self) -> None:
        streams = list(self._streams)
        students = {stream.session.student_id for stream in streams}
        try:
            cases = await self._read(students)
        except ReadModelError as error:
            for stream in streams:
                stream.offer(Outage(error.since))
            return
        updates: dict[tuple[str, str], StateUpdate] = {}
        for number, stream in enumerate(streams):
            student_id, texts = stream.session.student_id, stream.texts
            if (student_id, texts.language) not in updates:
                progress = cases[student_id]
                page = present(ViewContext(self._site, texts, progress.now), progress)
                updates[student_id, texts.language] = StateUpdate(page)
            update = updates[student_id, texts.language]
            if update != stream.last:
                self._shown(student_id, texts.language, update.page, cases[student_id])
            stream.offer(update)
            _measure_change(stream, cases[student_id])
            if number % 50 == 49:
                await asyncio.sleep(0)

    async def _read(self, students: Collection[str]) -> dict[str, CaseProgress]:
        snapshots = await self._read_model.many(students)
        commands, comments = await self._commands(students), await self._comments(students)
        now = datetime.now(UTC)
        return {
            student_id: case_progress(
                snapshot, commands.get(student_id, ()), self._site, now, comments.get(student_id, ())
            )
            for student_id, snapshot in snapshots.items()
        }

    async def _end_signed_out(self, streams: Sequence[Stream]) -> None:
        if not streams:
            return
        alive = await self._alive_sessions({stream.session.id_hash for stream in streams})
        for stream in streams:
            stream.session_confirmed = stream.session.id_hash in alive
            if not stream.session_confirmed:
                stream.offer(StreamEnded())


def _measure_change(stream: Stream, progress: CaseProgress) -> None:
    newest = max((one.received.status.occurred_at for one in progress.checks if one.received), default=None)
    if newest is None:
        return
    if stream.shown_until is not None and newest > stream.shown_until:
        metrics.COMMIT_TO_PAGE.record(max(0.0, (datetime.now(UTC) - newest).total_seconds()))
    stream.shown_until = newest
