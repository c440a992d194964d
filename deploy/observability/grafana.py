"""A dashboard as Grafana's JSON."""

from itertools import count
from string import ascii_uppercase
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

from deploy.observability.panels import Dashboard, Panel

_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${source}")
_HEIGHT: Final = 8
_WIDTH: Final = 24


def grafana_json(board: Dashboard) -> str:
    made = (
        dashboard.Dashboard(f"离校 Lixiao · {board.title}")
        .uid(f"lixiao-{board.name}")
        .tags(["lixiao"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("source").type("prometheus"))
    )
    if board.by_department:
        departments = "label_values(lixiao_source_freshness_seconds, department)"
        made = made.with_variable(dashboard.QueryVariable("department").query(departments).datasource(_SOURCE))
    number = count(1)
    for row in board.rows:
        made = made.with_row(dashboard.Row(row.title).id(next(number)))
        for panel in row.panels:
            made = made.with_panel(_panel(panel, _WIDTH // min(3, len(row.panels))).id(next(number)))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _panel(panel: Panel, width: int) -> Any:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.help)
        .unit(panel.unit)
        .min(0)
        .height(_HEIGHT)
        .span(width)
        .datasource(_SOURCE)
        .legend(legend)
    )
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend)
        made = made.with_target(target.ref_id(letter))
    return made
