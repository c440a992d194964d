"""Sends the notices of one channel: takes some, sends each, marks each by how it ended.

A killed sender's are sent again by another after the lease: at least once. Nothing is sent while the service's own
topic is not read to its end, by which a restored database knows what was sent before.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from services.kit.messaging.outbox import Wakeup
from services.kit.observability import metrics
from services.kit.postgres.pool import Connection
from services.kit.runtime.failpoints import failpoint
from services.notices.news.summary import Item, summarise
from services.notices.news.wording import Words, Written, mail_text, robot_text
from services.notices.sending.transport import ChannelDown, MessageRefused, Outgoing, Send, Transport
from services.notices.settings import NoticeSettings
from services.notices.tables import contacts, notices, occasions, reminders
from services.notices.tables.contacts import Contact
from services.notices.tables.notices import LEASE_S, Notice
from services.notices.tables.reminders import DONE_MEANWHILE

_POLL_S: Final = 1.0
_MAX_DELAY_S: Final = 3600.0
_BATCH_S: Final = LEASE_S / 3
"""After this the rest of a batch is left to the next one."""
_log = structlog.get_logger(__name__)


class Sender:
    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        transport: Transport,
        words: Words,
        settings: NoticeSettings,
        wakeup: Wakeup,
        *,
        is_caught_up: Callable[[], Awaitable[bool]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`wakeup`: of the relay. `is_caught_up`: with the service's own topic."""
        self._pool, self._transport, self._words, self._wakeup = pool, transport, words, wakeup
        self._channel = transport.channel
        self._topic, self._zone = settings.topics.sent, settings.zone
        self._quiet, self._retry_s = settings.quiet_hours, settings.notice_retry_s
        self._give_up_s = settings.notice_give_up_s
        self._is_caught_up, self._clock = is_caught_up, clock
        for outcome in ("sent", "postponed", "dead", "dropped"):
            metrics.NOTICES.add(0, {"channel": self._channel, "outcome": outcome})

    async def run(self) -> None:
        while True:
            with suppress_instrumentation():
                count = await self.turn()
            if not count:
                await asyncio.sleep(_POLL_S)

    async def turn(self) -> int:
        """How many notices were taken up."""
        if self._is_quiet(self._zone) or not await self._may_send():
            return 0
        async with self._pool.acquire() as connection:
            taken = await notices.take(connection, self._channel, self._transport.batch, give_up_s=self._give_up_s)
        waiting = list(taken)
        try:
            if waiting:
                async with self._transport.open() as send:
                    await self._send_all(send, waiting)
        except ChannelDown as down:
            self._log_down(down, waiting)
            for notice in waiting:
                await self._failed(notice, down.cause)
        return len(taken)

    def _log_down(self, down: ChannelDown, waiting: Sequence[Notice]) -> None:
        _log.warning("channel.failed", channel=self._channel, cause=down.cause, waiting=len(waiting))

    def _is_quiet(self, zone: ZoneInfo) -> bool:
        return self._quiet is not None and self._quiet.include(self._clock().astimezone(zone))

    async def _may_send(self) -> bool:
        async with self._pool.acquire() as connection:
            due = await notices.anything_due(connection, self._channel)
        return due and await self._is_caught_up()

    async def _send_all(self, send: Send, waiting: list[Notice]) -> None:
        """Removes from `waiting` what has its end."""
        until_s = time.monotonic() + _BATCH_S
        while waiting:
            if time.monotonic() > until_s:
                await self._leave(waiting)
                return
            try:
                await self._send_one(send, waiting[0])
            except ChannelDown as down:
                # Perhaps by this very message: those behind it come again sooner than it does.
                self._log_down(down, waiting)
                await self._failed(waiting[0], down.cause)
                await self._give_back(waiting[1:], down.cause)
                return
            waiting.pop(0)

    async def _send_one(self, send: Send, notice: Notice) -> None:
        async with self._pool.acquire() as connection:
            contact = await contacts.contact_of(connection, notice.student_id)
            unsent = await occasions.unsent(connection, self._channel, notice.occasions)
            due = await reminders.without_done(connection, notice.student_id, unsent)
        items, address = summarise(due), contact.address(self._channel) if contact else None
        if not items or contact is None or address is None:
            nothing = DONE_MEANWHILE if len(due) < len(unsent) else "sent already"
            await self._end(notice, "dropped", "no address" if items else nothing)
            return
        written = self._written(items, contact)
        try:
            await send(Outgoing(notice.notice_id, address, written.subject, written.body))
        except MessageRefused as refused:
            _log.warning("notice.refused", channel=self._channel, cause=refused.cause)
            await self._failed(notice, refused.cause, final=refused.final)
            return
        failpoint("notice.after_send")
        async with self._pool.acquire() as connection, connection.transaction():
            ids = [one.occasion_id for one in due]
            await notices.mark_sent(connection, self._topic, notice, self._channel, ids, self._clock())
        self._wakeup.notify()
        self._count("sent")

    def _written(self, items: tuple[Item, ...], contact: Contact) -> Written:
        if self._channel == "mail":
            return mail_text(self._words, items, contact.language)
        return Written("", robot_text(self._words, items, contact.language))

    async def _failed(self, notice: Notice, cause: str, *, final: bool = False) -> None:
        if final or notice.expired:
            _log.error("notice.abandoned", channel=self._channel, cause=cause, tries=notice.tries)
            await self._end(notice, "dead", cause)
            return
        delay_s = min(self._retry_s * 2 ** min(notice.tries - 1, 20), _MAX_DELAY_S)
        async with self._pool.acquire() as connection:
            await notices.postpone(connection, notice, cause, delay_s)
        self._count("postponed")

    async def _give_back(self, waiting: Sequence[Notice], cause: str) -> None:
        """They were not tried."""
        for notice in waiting:
            if notice.expired:
                await self._failed(notice, cause)
                continue
            async with self._pool.acquire() as connection:
                await notices.give_back(connection, notice, cause, self._retry_s)
            self._count("postponed")

    async def _leave(self, waiting: list[Notice]) -> None:
        async with self._pool.acquire() as connection:
            for notice in waiting:
                await notices.postpone(connection, notice, "slow", 0.0)

    async def _end(self, notice: Notice, outcome: str, cause: str) -> None:
        end: Callable[[Connection, Notice, str], Awaitable[None]]
        end = notices.bury if outcome == "dead" else notices.drop
        async with self._pool.acquire() as connection:
            await end(connection, notice, cause)
        self._count(outcome)

    def _count(self, outcome: str) -> None:
        metrics.NOTICES.add(1, {"channel": self._channel, "outcome": outcome})
