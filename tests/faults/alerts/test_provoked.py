"""Every alert is provoked by a test of this folder, or says why not."""

import ast
from collections.abc import Iterator
from pathlib import Path

from deploy.observability.alerts import ALERTS
from tests.faults.alerts.watching import NOT_PROVOKED, REMEMBERED, SOON, until_named


def provoked() -> Iterator[str]:
    """What the tests wait for to be named."""
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == until_named.__name__:
                yield from (str(one.value) for one in node.args if isinstance(one, ast.Constant))


def test_every_alert_is_provoked_or_says_why_not() -> None:
    named = set(provoked())
    assert not named & set(NOT_PROVOKED)
    assert named | set(NOT_PROVOKED) == {alert.name for alert in ALERTS}
    assert set(SOON) == named
    assert named >= REMEMBERED
