"""Dashboards and alerts: what is committed is what the code makes, reads documented metrics, and leads to a runbook."""

import re
from collections.abc import Iterator

import promql_parser
import pytest

from deploy.observability.__main__ import FOLDER, files
from deploy.observability.alerts import ALERTS, RUNBOOKS, Alert
from deploy.observability.boards import DASHBOARDS
from deploy.observability.panels import DEPARTMENT
from tests.support.paths import ROOT

HEADINGS = ["What it means", "Look first", "Do", "It is over when"]
METRICS = (ROOT / "docs/operating.md").read_text(encoding="utf-8").partition("\n## Metrics\n")[2].partition("\n## ")[0]
DOCUMENTED = set(re.findall(r"`((?:lixiao|http)_\w+)`", METRICS))


def queries() -> Iterator[tuple[str, str]]:
    for board in DASHBOARDS:
        for panel in board.panels:
            for query in panel.queries:
                yield f"{board.name}: {panel.title}: {query.legend}", query.expression
    for alert in ALERTS:
        yield alert.name, alert.expression


QUERIES = dict(queries())


def test_committed_files_are_those_that_the_command_writes() -> None:
    found = {path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.suffix in (".json", ".yml")}
    assert found == set(files())
    for path, text in files().items():
        assert (FOLDER / path).read_text(encoding="utf-8") == text, f"{path}: python -m deploy.observability"


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_promql_over_documented_metrics(name: str) -> None:
    expression = QUERIES[name].replace(DEPARTMENT, "library")
    promql_parser.parse(expression)
    metrics = {
        re.sub("_(bucket|count)$", "", metric) for metric in re.findall(r"\b(?:lixiao|http_server)_\w+", expression)
    }
    assert metrics - {"lixiao_outbox"} <= DOCUMENTED


def test_every_documented_metric_of_ours_is_on_a_dashboard_or_in_an_alert() -> None:
    shown = " ".join(QUERIES.values())
    unseen = {metric for metric in DOCUMENTED if metric.startswith("lixiao_") and metric not in shown}
    assert unseen == set()


def test_the_parts_of_a_dashboard_have_numbers_and_letters_of_their_own() -> None:
    for board in DASHBOARDS:
        assert len({panel.title for panel in board.panels}) == len(board.panels), board.name
        assert all(panel.help for panel in board.panels)
        assert all(len({query.legend for query in panel.queries}) == len(panel.queries) for panel in board.panels)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_has_a_runbook_that_says_what_it_means_and_what_to_do(alert: Alert) -> None:
    text = (ROOT / RUNBOOKS / f"{alert.runbook}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall("^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert alert.means in text


def test_a_runbook_belongs_to_an_alert() -> None:
    assert {path.stem for path in (ROOT / RUNBOOKS).glob("*.md")} == {alert.runbook for alert in ALERTS}
