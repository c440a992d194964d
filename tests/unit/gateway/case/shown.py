"""The case page as the presenter makes it of a reading."""

from dataclasses import replace

from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.view_model import CasePage, CheckView
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import (
    SUBMIT,
    Command,
    CommandState,
    ReadModelUnavailable,
    StudentSnapshot,
)
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

CLEAR = case_samples.clear().statuses


def shown(reading: StudentSnapshot | ReadModelUnavailable, *commands: Command, language: str = "zh") -> CasePage:
    texts = catalogue("en" if language == "en" else "zh")
    return present(ViewContext(site(), texts, NOW), case_progress(reading, commands, site(), NOW))


def lines(page: CasePage) -> dict[str, CheckView]:
    return {line.anchor: line for group in page.groups for line in group.lines}


def asked(
    name: str = SUBMIT, department: str = "", state: CommandState = CommandState.ASKED, **more: object
) -> Command:
    return replace(Command(case_samples.ATTEMPT, department, name, state, NOW), **more)  # type: ignore[arg-type]
