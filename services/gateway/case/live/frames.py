"""What is written on a live stream: Server-Sent Events as bytes. Pure.

`state`: the page's changing part. `unread`: the read model is unavailable. `ended`: the session is over.
`paused`: newer pages of the session have their streams; the page asks again when it is looked at.
"""

from typing import Final

import msgspec

RETRY_MS: Final = 2000
ENDED: Final = b"event: ended\ndata: {}\n\n"
PAUSED: Final = b"event: paused\ndata: {}\n\n"
PING: Final = b": ping\n\n"
"""A comment, so that no proxy takes a quiet stream for a dead one."""


def state(html: str) -> bytes:
    return _event("state", {"html": html})


def unread(since: str) -> bytes:
    return _event("unread", {"since": since})


def _event(name: str, data: dict[str, str]) -> bytes:
    return b"event: %s\ndata: %s\nretry: %d\n\n" % (name.encode(), msgspec.json.encode(data), RETRY_MS)
