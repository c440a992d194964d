"""What a channel does with one message, and the two ways in which that fails."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from services.notices.news.channels import Channel


@dataclass(frozen=True, slots=True)
class Outgoing:
    """`subject` is empty where a channel has none."""

    notice_id: UUID
    address: str = field(repr=False)
    subject: str
    body: str


class MessageRefused(Exception):
    """This message was not taken. `final`: nor will it be. The text names no address and quotes no answer."""

    def __init__(self, cause: str, *, final: bool = False) -> None:
        super().__init__(cause)
        self.cause, self.final = cause, final


class ChannelDown(Exception):
    """The channel takes nothing now; whether it took the message under way is unknown."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


Send = Callable[[Outgoing], Awaitable[None]]
"""Raises `MessageRefused` and `ChannelDown`."""


class Transport(Protocol):
    channel: Channel
    batch: int
    """Messages over one connection."""

    def open(self) -> AbstractAsyncContextManager[Send]:
        """Raises `ChannelDown`."""
        ...
