"""Dashboards as VictoriaMetrics's own pages read them: without variables, so each department has one of its own."""

import json
from collections.abc import Collection, Iterable
from typing import Any, Final

from deploy.observability.panels import BYTES, COUNT, DEPARTMENT, PER_SECOND, SECONDS, SHARE, Dashboard, Panel, Query

_UNITS: Final = {SECONDS: " s", SHARE: " %", COUNT: "", PER_SECOND: " /s", BYTES: " MB"}
_FACTORS: Final = {SHARE: 100, BYTES: 1e-6}
"""The pages show numbers as they are."""
_WIDTH: Final = 4
"""Of twelve columns."""


def vmui_dashboards(boards: Iterable[Dashboard], departments: Collection[str]) -> dict[str, str]:
    """File name → JSON. The pages have their tabs in the order of the names."""
    shown: list[tuple[str, dict[str, Any]]] = []
    for board in boards:
        if board.by_department:
            shown += [(f"{board.name}-{one}", _dashboard(board, f"{board.title}: {one}", one)) for one in departments]
        else:
            shown.append((board.name, _dashboard(board, board.title)))
    return {
        f"{number:02}-{name}.json": json.dumps(made, ensure_ascii=False, indent=2) + "\n"
        for number, (name, made) in enumerate(shown)
    }


def _dashboard(board: Dashboard, title: str, department: str = "") -> dict[str, Any]:
    # One row: the pages have every other one closed.
    row = {
        "title": " · ".join(row.title for row in board.rows),
        "panels": [_panel(panel, department) for panel in board.panels],
    }
    return {"title": title, "rows": [row]}


def _panel(panel: Panel, department: str) -> dict[str, Any]:
    return {
        "title": panel.title,
        "description": panel.help,
        "unit": _UNITS[panel.unit],
        "expr": [_expression(query, panel.unit, department) for query in panel.queries],
        "alias": [query.legend for query in panel.queries],
        "width": _WIDTH,
    }


def _expression(query: Query, unit: str, department: str) -> str:
    expression = query.expression.replace(DEPARTMENT, department)
    return f"({expression}) * {_FACTORS[unit]:g}" if unit in _FACTORS else expression
