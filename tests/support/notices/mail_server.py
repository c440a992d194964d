"""A real SMTP server on a port of this machine, which keeps what it took and can be told to refuse."""

import asyncio
import email
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

Answer = Callable[[str], str | None]
"""Recipient → the reply to its message; None takes it."""


class MailServer:
    def __init__(self) -> None:
        self.port = 0
        self.taken: list[EmailMessage] = []
        self.offered = 0
        """Messages, also those that were refused."""
        self.answer: Answer = lambda _: None
        self.delay_s = 0.0
        self.hangs_up_on = ""
        """At a message to this address the server ends the connection."""

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.taken if message["To"] == address]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.offered += 1
        await asyncio.sleep(self.delay_s)
        if envelope.rcpt_tos[0] == self.hangs_up_on:
            assert server.transport is not None
            server.transport.close()
            return "421 closing"
        if refusal := self.answer(envelope.rcpt_tos[0]):
            return refusal
        message: Any = email.message_from_bytes(envelope.original_content or b"", policy=default)
        self.taken.append(message)
        return "250 OK"


@asynccontextmanager
async def mail_server(port: int = 0) -> AsyncIterator[MailServer]:
    """`port`: 0 for any."""
    kept = MailServer()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: SMTP(kept, hostname="mail.example.edu", loop=loop), "127.0.0.1", port)
    kept.port = listener.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        listener.close()
