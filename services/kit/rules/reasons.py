"""Reason codes a department declares, each with the parameters its words in `department.toml` are filled from. Pure.

A code without words, or words without a code, fails `tests/unit/kit/test_manifests.py`.
"""

from dataclasses import dataclass
from typing import Final

from schemas.events import Reason


@dataclass(frozen=True, slots=True, init=False)
class ReasonCode:
    """Called with exactly its parameters, it makes a `Reason`; raises `TypeError` for any others."""

    code: str
    parameters: frozenset[str]

    def __init__(self, code: str, *parameters: str) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "parameters", frozenset(parameters))

    def __call__(self, **parameters: str | int) -> Reason:
        if parameters.keys() != self.parameters:
            raise TypeError(f"{self.code} takes the parameters {sorted(self.parameters)}, not {sorted(parameters)}")
        return Reason(code=self.code, parameters=parameters)


class Blocker(ReasonCode):
    """Why a check is blocked; its words are in the check's `reasons`."""


class Cause(ReasonCode):
    """What changed a record; its words are in `causes`."""


class Refusal(ReasonCode):
    """Why a rule does not allow an operation or a command; its words are in `refusals`."""


CASE_OPENED: Final = Cause("case-opened")
RECORD_REPLACED: Final = Cause("record-replaced")
ROW_IMPORTED: Final = Cause("row-imported")

RECORD_FULL: Final = Refusal("record-full", "limit")
"""Of a department whose record has lists."""

COMMAND_UNKNOWN: Final = Refusal("command-unknown")
CASE_NOT_OPEN: Final = Refusal("case-not-open")
BEING_DECIDED: Final = Refusal("submission-being-decided")
"""A command never waits for the end of an attempt: it would hold up the event that ends it."""
