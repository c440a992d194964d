"""A test may be skipped on a laptop and nowhere else: with `--ci`, or CI=true, it fails with the reason."""

import pytest

from tests.support.paths import ROOT

HOOKS = "from tests.conftest import pytest_addoption, pytest_make_collect_report, pytest_runtest_makereport"
NO_SERVER = """
import pytest
from deploy.local.processes.process import StartFailed
from tests.support.servers.fixtures import must

@pytest.fixture
def server():
    def start():
        raise StartFailed("no server can be had")
    return must(start)

def test_of_the_server(server):
    pass
"""
NO_BROWSER = """
from tests.browser.conftest import browser

def test_of_a_page(browser):
    pass
"""
SKIPPED_MODULE = """
import pytest
pytest.skip("no server can be had", allow_module_level=True)
"""


def run(pytester: pytest.Pytester, environment: pytest.MonkeyPatch, *options: str, ci: str = "") -> str:
    """What a session of its own prints, below the project's hooks."""
    environment.setenv("PYTHONPATH", str(ROOT))
    environment.setenv("CI", ci)
    environment.setenv("PATH", "")
    environment.delenv("LIXIAO_CHROMIUM", raising=False)
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(test_no_server=NO_SERVER, test_no_browser=NO_BROWSER, test_skipped_module=SKIPPED_MODULE)
    ended = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-rs", "--continue-on-collection-errors", "--assert=plain"),
        *("-o", "asyncio_mode=auto", *options),
    )
    return ended.stdout.str()


def test_without_a_server_or_a_browser_its_tests_are_skipped_on_a_laptop(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = run(pytester, monkeypatch)
    assert "3 skipped" in printed
    assert "no server can be had" in printed
    assert "no Chromium" in printed


@pytest.mark.parametrize(("options", "ci"), [(["--ci"], ""), ([], "true")], ids=["--ci", "CI=true"])
def test_in_ci_a_test_or_a_module_that_is_skipped_fails_with_the_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: list[str], ci: str
) -> None:
    printed = run(pytester, monkeypatch, *options, ci=ci)
    assert "3 errors in" in printed
    assert printed.count("skipped, and CI skips nothing") == 3
    assert printed.count("no server can be had") >= 2
    assert "no Chromium" in printed
