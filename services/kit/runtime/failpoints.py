"""Failpoints for crash tests, inert unless LIXIAO_FAILPOINT names one.

`settle.before_commit` ends the process there; `settle.before_commit,consumer.after_commit` when one task reaches both.
Unknown names stop the start: no test may pass by a typo.
"""

import os
from contextvars import ContextVar
from typing import Final

POINTS: Final = (
    "desk.before_commit",
    "desk.after_commit",
    "relay.after_select",
    "relay.after_send",
    "relay.before_delete",
    "relay.after_delete",
    "consumer.after_poll",
    "consumer.before_commit",
    "consumer.after_commit",
    "consumer.in_revoke",
    "submit.after_lock",
    "submit.after_open",
    "submit.before_commit",
    "attest.after_lock",
    "attest.before_commit",
    "settle.after_lock",
    "settle.after_answer",
    "settle.before_insert",
    "settle.after_insert",
    "settle.before_commit",
    "expire.after_lock",
    "expire.before_commit",
    "expire.after_commit",
    "outcome.before_release",
    "outcome.after_release",
    "outcome.before_commit",
    "command.before_effect",
    "command.after_effect",
    "command.before_commit",
    "seal.before_commit",
    "seal.after_commit",
    "notice.after_send",
)
"""In the order a change, a submission and a command reach them."""

EXIT_CODE: Final = 86


def parse(text: str) -> tuple[str, ...]:
    """Raises `ValueError`."""
    path = tuple(filter(None, text.split(",")))
    for name in path:
        if name not in POINTS:
            raise ValueError(f"LIXIAO_FAILPOINT is wrong: there is no point named {name!r}")
    return path


_path: Final = parse(os.environ.get("LIXIAO_FAILPOINT", ""))
_reached: Final = ContextVar("reached", default=0)


def failpoint(name: str) -> None:
    """End the process, as a power cut would, at the last point of LIXIAO_FAILPOINT."""
    reached = _reached.get()
    if reached < len(_path) and name == _path[reached]:
        if reached + 1 == len(_path):
            os._exit(EXIT_CODE)
        _reached.set(reached + 1)
