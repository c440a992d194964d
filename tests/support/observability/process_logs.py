"""A pytest plugin: the last lines of every service process stand beside a failure."""

from collections.abc import Generator
from typing import Final

import pytest

from deploy.local.running_services import RunningServices

LINES: Final = 25


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of whatever runs when a test fails."""
    report = yield
    if report.failed:
        for services in RunningServices.open:
            for name, log in services.logs().items():
                report.sections.append((f"{services.namespace} {name}", "\n".join(log.splitlines()[-LINES:])))
    return report
