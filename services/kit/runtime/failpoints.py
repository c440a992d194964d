"""Named places where a fault test may end the process, inert unless the environment names one.

`LIXIAO_CRASHPOINT=settle.before_commit` ends the process the first time it gets there, `settle.before_commit:3` the
third time. A name that is none of `POINTS` stops the process at its start: a fault test must not pass by a typing
mistake.
"""

import os
from typing import Final

POINTS: Final = (
    "desk.before_commit",
    "desk.after_commit",
    "relay.after_select",
    "relay.after_send",
    "relay.before_delete",
    "relay.after_delete",
    "inbox.after_poll",
    "inbox.before_commit",
    "inbox.after_commit",
    "inbox.in_revoke",
    "submit.after_lock",
    "submit.after_open",
    "submit.after_commit",
    "attest.after_lock",
    "attest.after_hold",
    "attest.before_commit",
    "attest.after_commit",
    "settle.after_lock",
    "settle.after_answer",
    "settle.before_insert",
    "settle.after_insert",
    "settle.before_commit",
    "settle.after_commit",
    "expire.after_lock",
    "expire.before_commit",
    "expire.after_commit",
    "outcome.before_release",
    "outcome.after_release",
    "outcome.before_commit",
    "outcome.after_commit",
    "cancel.before_effect",
    "cancel.after_effect",
    "cancel.before_commit",
    "cancel.after_commit",
    "seal.before_commit",
    "seal.after_commit",
)
"""Every named place, in the order a change, a submission and a command pass them."""

EXIT_CODE: Final = 86


def _parsed(text: str) -> tuple[str, int]:
    name, _, times = text.partition(":")
    if name and name not in POINTS:
        raise ValueError(f"LIXIAO_CRASHPOINT is wrong: there is no place named {name!r}")
    return name, int(times or 1)


_NAMED, _times = _parsed(os.environ.get("LIXIAO_CRASHPOINT", ""))


def failpoint(name: str) -> None:
    """End the process here at once, as a power cut would, when `LIXIAO_CRASHPOINT` is `name`."""
    global _times
    if _NAMED and name == _NAMED:
        _times -= 1
        if _times <= 0:
            os._exit(EXIT_CODE)


class Passed:
    """The places a batch passed that are named again once it is committed, as `<name>.after_commit`.

    For tests only: with several lanes another lane's commit may name them first.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    def add(self, name: str) -> None:
        """Name the place before the commit now, and the one after it when `committed` is called."""
        failpoint(f"{name}.before_commit")
        self._names.add(name)

    def committed(self) -> None:
        names, self._names = self._names, set()
        for name in sorted(names):
            failpoint(f"{name}.after_commit")
