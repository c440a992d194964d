"""Live updates: after a notification the connected students whom it may concern are read again.

One query reads all that are due, and a page is made for those of whom something is new. A stream gets the whole page
whenever it differs from its last, and everybody is read every few seconds, so a lost notification or connection loses
nothing. Between two reads nothing is kept of a page but hashes: of what it was made from, and of what was sent.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.gateway.case.live import frames
from services.gateway.case.live.due_students import DueStudents
from services.gateway.case.live.live_page import LivePage, Read
from services.gateway.case.live.push_spans import PushSpans
from services.gateway.case.live.stream import Stream
from services.gateway.case.progress import clock_input
from services.gateway.i18n.catalogue import Texts
from services.gateway.i18n.formats import local_time
from services.gateway.read_model.line_comment import LineComment
from services.gateway.read_model.student_rows import StudentRows
from services.gateway.read_model.students import ReadModel, ReadModelError
from services.gateway.read_model.types import Command
from services.gateway.tables.sessions.session import Session
from services.gateway.university import Site
from services.kit.message_format import Language
from services.kit.messaging.outbox import Wakeup
from services.kit.observability import metrics
from services.kit.observability.traced_statuses import is_notice

MAX_PER_SESSION: Final = 4
"""Of the six connections that a browser opens to a host on HTTP/1.1. Another stream takes the place of the oldest."""
MIN_INTERVAL_S: Final = 0.01
PING_S: Final = 15.0
_BEATS: Final = 15
"""Streams are pinged in so many parts, each in its turn."""
_SLICE: Final = 4
"""Pages made before others have their turn: some milliseconds."""


class TooManyStreams(Exception):
    """Of the session, or of the process."""


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
        page: Callable[[Read, Texts], LivePage],
        max_streams: int,
        session_check_s: float,
    ) -> None:
        self._read_model, self._commands, self._comments = read_model, commands, comments
        self._alive_sessions = alive_sessions
        self._site, self._page, self._max_streams = site, page, max_streams
        self._session_check_s = session_check_s
        self._of_student: dict[str, tuple[Stream, ...]] = {}
        self._of_session: dict[bytes, tuple[Stream, ...]] = {}
        self._unconfirmed: set[bytes] = set()
        """Sessions not found alive since a stream of theirs connected."""
        self._count = 0
        self._due = DueStudents()
        self._changed = Wakeup()
        self._closed = False
        self._push_spans = PushSpans(site.departments)

    def notify(self, notice: str = "") -> None:
        """`notice`: of whom something may be new, of everybody by default; or where traces of statuses go on."""
        if is_notice(notice):
            self._push_spans.note(notice)
            return
        self._due.note(notice)
        self._changed.notify()

    def connect(self, session: Session, texts: Texts) -> Stream:
        """Raises `TooManyStreams`. The stream sends nothing before it is started, and is to be disconnected."""
        id_hash, student_id = bytes(session.id_hash), session.student_id
        own = self._of_session.get(id_hash, ())
        # One that was told to pause counts as long as its client has not gone.
        if self._count >= self._max_streams or len(own) >= 2 * MAX_PER_SESSION:
            raise TooManyStreams
        going_on = [one for one in own if not one.ended]
        if len(going_on) >= MAX_PER_SESSION:
            going_on[0].end(frames.PAUSED)
        stream = Stream(id_hash, student_id, texts)
        self._count += 1
        self._of_student[student_id] = (*self._of_student.get(student_id, ()), stream)
        self._of_session[id_hash] = (*self._of_session.get(id_hash, ()), stream)
        self._unconfirmed.add(id_hash)
        self._due.connected(student_id)
        self._measure()
        if self._closed:
            stream.end()
        self._changed.notify()
        return stream

    def disconnect(self, stream: Stream) -> None:
        self._count -= 1
        _remove(self._of_student, stream.student_id, stream)
        if not _remove(self._of_session, stream.id_hash, stream):
            self._unconfirmed.discard(stream.id_hash)
        self._due.disconnected(stream.student_id)
        stream.close()
        self._measure()

    def end(self, id_hash: bytes) -> None:
        for stream in self._of_session.get(id_hash, ()):
            stream.end(frames.ENDED)

    def close(self) -> None:
        """Ends later connections too, and not their sessions: a server that stops would wait for them."""
        self._closed = True
        for stream in self._streams():
            stream.end()

    @property
    def count(self) -> int:
        return self._count

    def _streams(self) -> list[Stream]:
        return [stream for streams in self._of_student.values() for stream in streams]

    def _measure(self) -> None:
        metrics.LIVE_STREAMS.set(self._count)

    async def run(self) -> None:
        self._measure()
        checked = time.monotonic()
        while True:
            await self._changed.wait(min(self._due.wait_s(), self._session_check_s))
            started = time.monotonic()
            students = self._due.take()
            if self._count:
                with suppress_instrumentation():
                    if students:
                        await self._update_streams(students)
                    due = started - checked > self._session_check_s
                    await self._end_signed_out(self._of_session if due else self._unconfirmed)
                    checked = started if due else checked
            self._due.took(time.monotonic() - started)
            await asyncio.sleep(MIN_INTERVAL_S)

    async def beat(self) -> None:
        """Pings every stream about every `PING_S`, in the order in which they connected."""
        while True:
            streams = self._streams()
            for part in range(_BEATS):
                await asyncio.sleep(PING_S / _BEATS)
                for stream in streams[len(streams) * part // _BEATS : len(streams) * (part + 1) // _BEATS]:
                    stream.ping(frames.PING)

    async def _update_streams(self, students: Collection[str]) -> None:
        since_ns = time.time_ns()
        try:
            found = await self._read_model.rows_of_many(students)
        except ReadModelError as error:
            self._say_unread(error.since)
            self._due.failed()
            return
        commands, comments = await self._commands(students), await self._comments(students)
        now, made = datetime.now(UTC), 0
        for student_id, rows in found.items():
            self._due.known_as(student_id, rows.former_numbers())
            given = commands.get(student_id, ()), comments.get(student_id, ())
            made_from = _hash(clock_input(self._site, rows.alive_marks(), now), rows, given)
            behind = [one for one in self._of_student.get(student_id, ()) if one.made_from != made_from]
            if behind:
                self._push(behind, Read(rows, *given, now), made_from, since_ns)
                made += 1
                if made % _SLICE == 0:
                    await asyncio.sleep(0)

    def _push(self, behind: list[Stream], read: Read, made_from: int, since_ns: int) -> None:
        """`behind`: streams of one student that show something older."""
        for texts in {stream.texts.language: stream.texts for stream in behind}.values():
            page = self._page(read, texts)
            frame, now = frames.state(page.html), self._push_spans.versions(page.versions)
            streams = [stream for stream in behind if stream.texts.language == texts.language]
            if any(stream.is_new(frame) for stream in streams):
                page.note_shown(streams[0].student_id)
            for stream in streams:
                if stream.is_new(frame):
                    first = stream.made_from is None and not stream.versions
                    spans = () if first else self._push_spans.start(stream.student_id, stream.versions, now, since_ns)
                    stream.offer(frame, spans)
                stream.made_from, stream.versions = made_from, now
                _measure_change(stream, page.newest)

    def _say_unread(self, since: datetime) -> None:
        known: dict[Language, bytes] = {}
        for stream in self._streams():
            language = stream.texts.language
            if language not in known:
                offset = self._site.university.utc_offset_minutes
                words = local_time(since, now=since, offset_minutes=offset, language=language).words
                known[language] = frames.unread(words)
            stream.made_from = None
            stream.offer(known[language])

    async def _end_signed_out(self, sessions: Collection[bytes]) -> None:
        asked = list(sessions)
        if not asked:
            return
        # Before the question: a stream that connects meanwhile asks its own.
        self._unconfirmed.difference_update(asked)
        try:
            alive = await self._alive_sessions(asked)
        except BaseException:
            self._unconfirmed.update(self._of_session.keys() & asked)
            raise
        for id_hash in asked:
            if id_hash not in alive:
                self.end(id_hash)


def _remove(streams: dict[Any, tuple[Stream, ...]], key: Any, stream: Stream) -> bool:
    """Whether others are left under `key`."""
    left = tuple(one for one in streams[key] if one is not stream)
    if left:
        streams[key] = left
    else:
        del streams[key]
    return bool(left)


def _hash(clock: tuple[Any, ...], rows: StudentRows, asked: tuple[Any, ...]) -> int:
    """Of all that a page is made from; texts are hashed under this process's own key."""
    content = (tuple(tuple(value) if type(value) is list else value for value in row) for row in rows.content())
    # Commands and comments hold what has no hash; nearly nobody has any.
    return hash((clock, tuple(content), repr(asked)))


def _measure_change(stream: Stream, newest_at: datetime | None) -> None:
    if newest_at is None:
        return
    newest = newest_at.timestamp()
    if stream.shown_until is not None and newest > stream.shown_until:
        metrics.COMMIT_TO_PAGE.record(max(0.0, time.time() - newest))
    stream.shown_until = newest
