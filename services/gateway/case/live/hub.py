"""Live updates: after a notification the connected students whom it may concern are read again.

One query reads all that are due, and a page is made for those of whom something is new. A stream gets the whole page
whenever it differs from its last, and everybody is read every few seconds, so a lost notification or connection loses
nothing.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Span

from services.gateway.case.live.due_students import DueStudents
from services.gateway.case.live.push_spans import PushSpans
from services.gateway.case.present import present
from services.gateway.case.progress import CaseProgress, case_progress, clock_input
from services.gateway.case.view_model import CasePage
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import Texts
from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.students import ReadModel, ReadModelError
from services.gateway.read_model.types import Command
from services.gateway.tables.sessions.session import Session
from services.gateway.university import Site
from services.kit.message_format import Language
from services.kit.observability import metrics, subjects
from services.kit.observability.traced_statuses import is_notice

MAX_PER_SESSION: Final = 4
"""Of the six connections that a browser opens to a host on HTTP/1.1."""
MIN_INTERVAL_S: Final = 0.01


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
class _Case:
    """Of a connected student, with all that it was made from."""

    made_from: tuple[Any, ...]
    progress: CaseProgress
    _updates: dict[Language, StateUpdate] = field(default_factory=dict)

    def update(self, site: Site, texts: Texts) -> StateUpdate:
        known = self._updates.get(texts.language)
        if known is None:
            page = present(ViewContext(site, texts, self.progress.now), self.progress)
            known = self._updates[texts.language] = StateUpdate(page)
        return known


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
    _waiting: tuple[Span, ...] = ()
    _sending: tuple[Span, ...] = ()
    """Spans of the update that waits, and of the one that was taken last."""

    def offer(self, update: StreamUpdate, spans: tuple[Span, ...] = ()) -> None:
        if update == self.last or isinstance(self.last, StreamEnded):
            return
        self.last = update
        _end(self._waiting, "replaced")
        self._waiting = spans
        with suppress(asyncio.QueueEmpty):
            self.updates.get_nowait()
        self.updates.put_nowait(update)

    async def next(self) -> StreamUpdate:
        """The one before it has been sent."""
        _end(self._sending, "sent")
        self._sending = ()
        update = await self.updates.get()
        self._sending, self._waiting = self._waiting, ()
        return update

    def close(self) -> None:
        _end((*self._sending, *self._waiting), "gone")


def _end(spans: Iterable[Span], outcome: str) -> None:
    for span in spans:
        subjects.end(span, outcome)


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
        self._cases: dict[str, _Case] = {}
        """Of connected students, as they were read last."""
        self._due = DueStudents()
        self._changed = asyncio.Event()
        self._closed = False
        self._push_spans = PushSpans()

    def notify(self, notice: str = "") -> None:
        """`notice`: of whom something may be new, of everybody by default; or where traces of statuses go on."""
        if is_notice(notice):
            self._push_spans.note(notice)
            return
        self._due.note(notice)
        self._changed.set()

    @asynccontextmanager
    async def connect(self, session: Session, texts: Texts) -> AsyncIterator[Stream]:
        """Raises `TooManyStreams`."""
        of_session = sum(stream.session.id_hash == session.id_hash for stream in self._streams)
        if len(self._streams) >= self._max_streams or of_session >= MAX_PER_SESSION:
            raise TooManyStreams
        stream = Stream(session, texts)
        self._streams.add(stream)
        self._due.connected(session.student_id)
        self._measure()
        if self._closed:
            stream.offer(StreamEnded(reconnect=True))
        self._changed.set()
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            if self._due.disconnected(session.student_id):
                self._cases.pop(session.student_id, None)
            stream.close()
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
                await asyncio.wait_for(self._changed.wait(), min(self._due.wait_s(), self._session_check_s))
            self._changed.clear()
            started = time.monotonic()
            students = self._due.take()
            if self._streams:
                with suppress_instrumentation():
                    if students:
                        await self._update_streams(students)
                    due = started - checked > self._session_check_s
                    await self._end_signed_out([one for one in self._streams if due or not one.session_confirmed])
                    checked = started if due else checked
            self._due.took(time.monotonic() - started)
            await asyncio.sleep(MIN_INTERVAL_S)

    async def _update_streams(self, students: Collection[str]) -> None:
        since_ns = time.time_ns()
        streams = [stream for stream in self._streams if stream.session.student_id in students]
        try:
            found = await self._read(students)
        except ReadModelError as error:
            for stream in list(self._streams):
                stream.offer(Outage(error.since))
            self._due.failed()
            return
        before = {student_id: self._cases.get(student_id) for student_id in found}
        self._cases.update(found)
        for student_id in found.keys() - self._due.students:
            del self._cases[student_id]
        for number, stream in enumerate(streams):
            student_id = stream.session.student_id
            case = found[student_id]
            update = case.update(self._site, stream.texts)
            if update is not stream.last:
                spans: tuple[Span, ...] = ()
                if update != stream.last:
                    self._shown(student_id, stream.texts.language, update.page, case.progress)
                    if stream.last is not None and (old := before.get(student_id)):
                        spans = self._push_spans.start(student_id, old.progress, case.progress, since_ns=since_ns)
                stream.offer(update, spans)
                _measure_change(stream, case.progress)
            if number % 50 == 49:
                await asyncio.sleep(0)

    async def _read(self, students: Collection[str]) -> dict[str, _Case]:
        """Those of whom nothing is new are as before."""
        found = await self._read_model.rows_of_many(students)
        commands, comments = await self._commands(students), await self._comments(students)
        now, cases = datetime.now(UTC), {}
        for student_id, rows in found.items():
            self._due.known_as(student_id, rows.former_numbers())
            of_student = commands.get(student_id, ()), comments.get(student_id, ())
            made_from = clock_input(self._site, rows.alive_marks(), now), rows.content(), *of_student
            case = self._cases.get(student_id)
            if case is None or case.made_from != made_from:
                progress = case_progress(rows.snapshot(), of_student[0], self._site, now, of_student[1])
                case = _Case(made_from, progress)
            cases[student_id] = case
        return cases

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
