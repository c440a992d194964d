"""The dashboards as VictoriaMetrics's pages have them: the same panels, and one for each department."""

import json

from deploy.observability.boards import DASHBOARDS
from deploy.observability.panels import DEPARTMENT
from deploy.observability.vmui import vmui_dashboards

MADE = {name: json.loads(text) for name, text in vmui_dashboards(DASHBOARDS, ("library", "dorm")).items()}


def test_every_panel_is_there_with_its_words_and_a_name_for_each_query() -> None:
    titles = {panel["title"] for board in MADE.values() for row in board["rows"] for panel in row["panels"]}
    assert titles == {panel.title for board in DASHBOARDS for panel in board.panels}
    for board in MADE.values():
        (row,) = board["rows"]
        assert all(panel["description"] and len(panel["expr"]) == len(panel["alias"]) for panel in row["panels"])


def test_each_department_has_a_dashboard_of_its_own_and_nothing_is_left_to_fill_in() -> None:
    of_departments = [board for name, board in MADE.items() if "-department-" in name]
    assert [board["title"] for board in of_departments] == ["A department: library", "A department: dorm"]
    assert 'department="dorm"' in json.dumps(of_departments[1]).replace("\\", "")
    assert DEPARTMENT not in json.dumps(MADE)


def test_the_tabs_are_in_the_order_of_the_dashboards() -> None:
    assert list(MADE) == sorted(MADE)
    assert next(iter(MADE.values()))["title"] == DASHBOARDS[0].title


def test_a_share_is_shown_in_percent() -> None:
    (share,) = {
        panel["expr"][0]
        for board in MADE.values()
        for panel in board["rows"][0]["panels"]
        if panel["title"] == "Share that expired"
    }
    assert share.endswith(" * 100")
