"""Reason codes and the parameters of their texts in `department.toml`. Pure.

`tests/unit/kit/test_manifests.py` fails for a code without a text, and the reverse.
"""

from dataclasses import dataclass
from typing import Final

from schemas.events import Reason
from services.kit.operations import Remedy


@dataclass(frozen=True, slots=True, init=False)
class ReasonCode:
    """Makes a `Reason`; raises `TypeError` for other parameters."""

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
    """Blocks a check; text in its `reasons`."""


class Cause(ReasonCode):
    """Changed a record; text in `causes`."""


class Refusal(ReasonCode):
    """Forbids an operation or command; text in `refusals`."""


CASE_OPENED: Final = Cause("case-opened")
RECORD_REPLACED: Final = Cause("record-replaced")
ROW_IMPORTED: Final = Cause("row-imported")

# Every department's: their words are in the gateway's catalogue.
CHANGE_WAITING: Final = Blocker("change-waiting")
"""Only in attestations: a change met the hold of an earlier attempt, and has not come yet."""
NOTHING_ON_RECORD: Final = Cause("nothing-on-record")
COVERAGE_CHANGED: Final = Cause("coverage-changed")
QUESTION_OPENED: Final = Cause("question-opened")
QUESTION_CLOSED: Final = Cause("question-closed")
REPUBLISHED: Final = Cause("republished")
RULES_CHANGED: Final = Cause("rules-changed")
TAKEN_BACK: Final = Cause("taken-back")
SHARED_CAUSES: Final = frozenset(
    cause.code
    for cause in (
        NOTHING_ON_RECORD,
        COVERAGE_CHANGED,
        QUESTION_OPENED,
        QUESTION_CLOSED,
        REPUBLISHED,
        RULES_CHANGED,
        TAKEN_BACK,
    )
)

STUDENT_UNKNOWN: Final = Refusal("student-unknown")
CHECK_THE_NUMBER: Final = Remedy(
    "请核对学号；如该生确在本次离校之列，请先由研究生院导入名册。",
    "Check the number; if the student is leaving, have the graduate school put them on the roster first.",
)
IN_THE_FUTURE: Final = Refusal("in-the-future")
CHECK_THE_INSTANT: Final = Remedy(
    "请填写数据导出的时间；不写则以收到的时间为准。",
    "Give the time of the export; without one the time of arrival counts.",
)
RECORD_FULL: Final = Refusal("record-full", "limit")

COMMAND_UNKNOWN: Final = Refusal("command-unknown")
CASE_NOT_OPEN: Final = Refusal("case-not-open")
BEING_DECIDED: Final = Refusal("submission-being-decided")
"""A command never waits for an attempt's end: it would hold up that event."""
