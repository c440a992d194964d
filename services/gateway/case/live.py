"""Live lines: one LISTEN connection a process tells that the view changed, and the connected students are read again.

A notification carries nothing. All connected students are read in one query, at most ten times a second, and a stream
is sent the whole state whenever it differs from what it has, so a lost notification or connection loses nothing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.gateway.case.present import present
from services.gateway.case.view_model import CasePage
from services.gateway.i18n.catalogue import Texts
from services.gateway.read_model.students import ReadModel, ReadModelError
from services.gateway.read_model.types import Command, StudentSnapshot
from services.gateway.tables.sessions import Session
from services.gateway.university import Site

MOST_A_SESSION: Final = 4
"""A browser opens six connections to a host on HTTP/1.1: streams must not take them all."""
PASS_S: Final = 0.1
LOOK_S: Final = 5.0
"""Without any notification the state is looked at this often: silence of a source is news too."""
_ALIVE_S: Final = 30.0
_log = structlog.get_logger(__name__)


class TooManyStreams(Exception):
    """This session, or the process, has as many streams as it may."""


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """The whole state of one student, in the stream's language."""

    page: CasePage


@dataclass(frozen=True, slots=True)
class Outage:
    """The read model cannot be read since then: what the page shows may be old."""

    since: datetime


class StreamEnded:
    """The session ended, or the gateway stops serving this stream."""


StreamUpdate = StateUpdate | Outage | StreamEnded


@dataclass(eq=False, slots=True)
class Stream:
    """One open page. `fresh` holds the newest news only: a slow reader skips what was overtaken."""

    session: Session
    texts: Texts
    fresh: "asyncio.Queue[StreamUpdate]" = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    sent: StreamUpdate | None = None
    seen_alive: bool = False
    """Whether its session was found alive since it connected."""

    def offer(self, news: StreamUpdate) -> None:
        """Keep this instead of what was not yet read. The end is the last news: a state read meanwhile is not shown."""
        if news == self.sent or isinstance(self.sent, StreamEnded):
            return
        self.sent = news
        with suppress(asyncio.QueueEmpty):
            self.fresh.get_nowait()
        self.fresh.put_nowait(news)


class Hub:
    """The streams of this process. `run` reads for them, `connect` adds one.

    `most` streams in all. A session that ended elsewhere ends its streams within about `sessions_every_s`, and one that
    ended while its stream connected at the next pass.
    """

    def __init__(
        self,
        read_model: ReadModel,
        commands: Callable[[Collection[str]], Awaitable[dict[str, tuple[Command, ...]]]],
        alive: Callable[[Collection[bytes]], Awaitable[frozenset[bytes]]],
        *,
        house: Site,
        most: int,
        sessions_every_s: float,
    ) -> None:
        self._read_model, self._commands, self._alive = read_model, commands, alive
        self._house, self._most = house, most
        self._sessions_every_s = sessions_every_s
        self._streams: set[Stream] = set()
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Something changed: read again soon."""
        self._changed.set()

    @asynccontextmanager
    async def connect(self, session: Session, texts: Texts) -> AsyncIterator[Stream]:
        """A stream for one page. Raises `TooManyStreams`."""
        mine = Counter(stream.session.id_hash for stream in self._streams)
        if len(self._streams) >= self._most or mine[session.id_hash] >= MOST_A_SESSION:
            raise TooManyStreams
        stream = Stream(session, texts)
        self._streams.add(stream)
        self.notify()
        try:
            yield stream
        finally:
            self._streams.discard(stream)

    def end(self, id_hash: bytes) -> None:
        """End the streams of a session at once."""
        for stream in self._streams:
            if stream.session.id_hash == id_hash:
                stream.offer(StreamEnded())

    @property
    def count(self) -> int:
        return len(self._streams)

    async def run(self) -> None:
        """Read for the connected students until cancelled."""
        checked = time.monotonic()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(LOOK_S, self._sessions_every_s))
            self._changed.clear()
            started = time.monotonic()
            if self._streams:
                with suppress_instrumentation():
                    await self._pass()
                    due = started - checked > self._sessions_every_s
                    await self._end_the_signed_out([one for one in self._streams if due or not one.seen_alive])
                    checked = started if due else checked
            # A pass that takes long is followed by a longer rest, so that streams never crowd out pages.
            await asyncio.sleep(max(PASS_S, 3 * (time.monotonic() - started)))

    async def _pass(self) -> None:
        streams = list(self._streams)
        students = {stream.session.student_id for stream in streams}
        try:
            readings = await self._read_model.many(students)
        except ReadModelError as away:
            for stream in streams:
                stream.offer(Outage(away.since))
            return
        commands = await self._commands(students)
        now = datetime.now(UTC)
        pages: dict[tuple[str, str], StateUpdate] = {}
        for number, stream in enumerate(streams):
            key = (stream.session.student_id, stream.texts.language)
            if key not in pages:
                pages[key] = StateUpdate(self._present(readings[key[0]], commands.get(key[0], ()), stream.texts, now))
            stream.offer(pages[key])
            if number % 50 == 49:
                await asyncio.sleep(0)

    def _present(
        self, reading: StudentSnapshot, commands: tuple[Command, ...], texts: Texts, now: datetime
    ) -> CasePage:
        return present(reading, commands, house=self._house, texts=texts, now=now)

    async def _end_the_signed_out(self, streams: Sequence[Stream]) -> None:
        if not streams:
            return
        alive = await self._alive({stream.session.id_hash for stream in streams})
        for stream in streams:
            stream.seen_alive = stream.session.id_hash in alive
            if not stream.seen_alive:
                stream.offer(StreamEnded())


async def listen(dsn: str, channel: str, on_notify: Callable[[], None]) -> None:
    """Call `on_notify` for every notification, and once for every connection made: something may have been missed.

    Runs until cancelled. Raises `ConnectionError` when the connection is lost: its keeper starts it again.
    """
    gone = asyncio.Event()
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        dsn, timeout=10, command_timeout=10, server_settings={"application_name": f"gateway.{channel}"}
    )
    try:
        connection.add_termination_listener(lambda _: gone.set())
        await connection.add_listener(channel, lambda *_: on_notify())
        on_notify()
        while not gone.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), _ALIVE_S)
            if not gone.is_set():
                with suppress_instrumentation():
                    await connection.execute("SELECT 1")
        raise ConnectionError(f"the connection listening to {channel} was lost")
    finally:
        connection.terminate()
