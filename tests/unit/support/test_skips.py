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
SKIPPED_MODULE = """
import pytest
pytest.skip("no server can be had", allow_module_level=True)
"""


def run(pytester: pytest.Pytester, environment: pytest.MonkeyPatch, *options: str, ci: str = "") -> str:
    """What a session of its own prints, below the project's hooks."""
    environment.setenv("PYTHONPATH", str(ROOT))
    environment.setenv("CI", ci)
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(test_no_server=NO_SERVER, test_skipped_module=SKIPPED_MODULE)
    ended = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-rs", "--continue-on-collection-errors", "--assert=plain", *options
    )
    return ended.stdout.str()


def test_without_a_server_its_tests_are_skipped_on_a_laptop(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = run(pytester, monkeypatch)
    assert "2 skipped" in printed
    assert "no server can be had" in printed


@pytest.mark.parametrize(("options", "ci"), [(["--ci"], ""), ([], "true")], ids=["--ci", "CI=true"])
def test_in_ci_a_test_or_a_module_that_is_skipped_fails_with_the_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: list[str], ci: str
) -> None:
    printed = run(pytester, monkeypatch, *options, ci=ci)
    assert "2 errors in" in printed
    assert printed.count("skipped, and CI skips nothing") == 2
    assert printed.count("no server can be had") >= 2
