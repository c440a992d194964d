"""Robots of 企业微信 and 钉钉: a text, with the student mentioned by their account there.

A robot speaks in a group, so its text says only that there is something to look at. It knows no id of a message: one
whose confirmation was lost comes twice.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx

from services.kit.secret_files import NoSecret, secret_of
from services.notices.news.channels import Channel
from services.notices.sending.transport import ChannelDown, MessageRefused, Outgoing, Send
from services.notices.settings import NoticeSettings

_BATCH: Final = 20
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
Document = dict[str, Any]


def wecom_message(outgoing: Outgoing) -> Document:
    return {"msgtype": "text", "text": {"content": outgoing.body, "mentioned_list": [outgoing.address]}}


def dingtalk_message(outgoing: Outgoing) -> Document:
    """The text has to name whom it mentions."""
    return {
        "msgtype": "text",
        "text": {"content": f"{outgoing.body} @{outgoing.address}"},
        "at": {"atUserIds": [outgoing.address], "isAtAll": False},
    }


def dingtalk_signature(secret: str, now_ms: int) -> dict[str, str]:
    """Parameters of the address: HMAC-SHA256 over timestamp and secret, by the secret."""
    digest = hmac.digest(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256)
    return {"timestamp": str(now_ms), "sign": base64.b64encode(digest).decode()}


class RobotTransport:
    batch = _BATCH

    def __init__(
        self,
        channel: Channel,
        http: httpx.AsyncClient,
        *,
        url_file: Path,
        message: Callable[[Outgoing], Document],
        secret_file: Path | None = None,
        per_minute: float,
    ) -> None:
        """`secret_file`: of a robot whose messages are signed."""
        self.channel = channel
        self._http, self._url_file, self._secret_file = http, url_file, secret_file
        self._message, self._pause_s = message, 60.0 / per_minute
        self._next_at_s = 0.0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        yield self._send

    async def _send(self, outgoing: Outgoing) -> None:
        await asyncio.sleep(max(0.0, self._next_at_s - time.monotonic()))
        self._next_at_s = time.monotonic() + self._pause_s
        try:
            answer = await self._http.post(self._address(), json=self._message(outgoing))
        except (httpx.HTTPError, httpx.InvalidURL, NoSecret) as error:
            raise ChannelDown(type(error).__name__) from None
        _check(answer)

    def _address(self) -> str:
        """Raises `NoSecret` and `ChannelDown`."""
        address = secret_of(None, self._url_file) or ""
        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ChannelDown("address")
        secret = secret_of(None, self._secret_file)
        if secret is None:
            return address
        signature = urlencode(dingtalk_signature(secret, int(time.time() * 1000)))
        return f"{address}{'&' if parts.query else '?'}{signature}"


def _check(answer: httpx.Response) -> None:
    """Both answer 200 with an `errcode`, which is 0 for a message that was taken."""
    if answer.status_code != httpx.codes.OK:
        raise ChannelDown(f"http {answer.status_code}")
    try:
        code = answer.json()["errcode"]
    except (ValueError, KeyError, TypeError):
        raise ChannelDown("answer") from None
    if code != 0:
        raise MessageRefused(f"errcode {code if isinstance(code, int) else '?'}")


def robots_of(settings: NoticeSettings, http: httpx.AsyncClient) -> list[RobotTransport]:
    found = []
    if settings.wecom_url_file is not None:
        found.append(
            RobotTransport(
                "wecom",
                http,
                url_file=settings.wecom_url_file,
                message=wecom_message,
                per_minute=settings.robot_per_minute,
            )
        )
    if settings.dingtalk_url_file is not None:
        found.append(
            RobotTransport(
                "dingtalk",
                http,
                url_file=settings.dingtalk_url_file,
                message=dingtalk_message,
                secret_file=settings.dingtalk_secret_file,
                per_minute=settings.robot_per_minute,
            )
        )
    return found
