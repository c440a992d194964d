"""How tests are chosen, marked and reported; the common fixtures are in `tests/support/servers/fixtures.py`.

`--ci` (or CI=true) makes a skipped test a failure: a server that cannot be had skips its tests on a laptop only.
"""

import gc
import os
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from deploy.local.servers.jars import BRIEFLY
from tests.support.paths import ROOT, TESTS

gc.disable()  # until the tests are collected, which leaves nothing to free
os.environ.setdefault("JDK_JAVA_OPTIONS", BRIEFLY)
pytest_plugins = ["pytester", "tests.support.servers.fixtures", "tests.support.observability.process_logs"]

LEVELS = ("unit", "contract", "component", "system", "simulation", "faults", "browser", "identity")
APART = frozenset({"identity"})
"""Levels that run only when they are named: their servers are large and start in minutes."""
CI = os.environ.get("CI", "").lower() in ("true", "1", "yes")

hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
if not CI:
    # With CI=true Hypothesis loads a profile of its own: the same examples at every run, and untimed as well.
    hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--level unit --level contract` runs these folders only; `--ci` makes a missing part a failure."""
    group = parser.getgroup("lixiao")
    group.addoption("--level", action="append", choices=LEVELS, help="run tests of this folder only; may be repeated")
    group.addoption("--containers", action="store_true", help="PostgreSQL and Kafka as containers of a Docker engine")
    group.addoption("--record-answers", action="store_true", help="record the answers in schemas/openapi anew")
    group.addoption("--ci", action="store_true", default=CI, help="a skipped test fails (as with CI=true)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A level apart, unless it is asked for."""
    apart = collection_path.parent == TESTS and collection_path.name in APART
    return True if apart and collection_path.name not in (config.getoption("--level") or ()) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its folder, keep the wanted folders, and run the quick ones first."""
    for item in items:
        item.add_marker(level_of(item.path))
    wanted = config.getoption("--level")
    if wanted:
        config.hook.pytest_deselected(items=[item for item in items if level_of(item.path) not in wanted])
        items[:] = [item for item in items if level_of(item.path) in wanted]
    items.sort(key=lambda item: LEVELS.index(level_of(item.path)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """What was collected stays: no later collection has to look at it. Who only distributes tests comes here too."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: what was not run was not shown."""
    report = yield
    if item.config.getoption("--ci") and report.skipped and not hasattr(report, "wasxfail"):
        fail_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself as it is imported."""
    report = yield
    if collector.config.getoption("--ci") and report.skipped:
        fail_skipped(report)
    return report


def fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    report.outcome = "failed"
    report.longrepr = f"skipped, and CI skips nothing: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tests and seconds by level, for the reader who asks where the time goes."""
    count: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                level = level_of(ROOT / report.nodeid.split("::")[0])
                seconds[level] += report.duration
                count[level] += report.when == "call"
    if count:
        terminalreporter.section("tests by level")
        for level in (level for level in LEVELS if count[level]):
            terminalreporter.line(f"{level:<12}{count[level]:>6} tests{seconds[level]:>9.1f} s")


def level_of(path: Path) -> str:
    """The level of a test file: the folder below tests/. Raises UsageError for one that lies elsewhere."""
    level = path.relative_to(TESTS).parts[0]
    if level not in LEVELS:
        raise pytest.UsageError(f"{path}: tests lie in tests/<level>/, with a level of {', '.join(LEVELS)}.")
    return level
