"""What a dashboard is made of, apart from the program that shows it."""

from dataclasses import dataclass
from typing import Final

SECONDS: Final = "s"
SHARE: Final = "percentunit"
COUNT: Final = "short"
PER_SECOND: Final = "reqps"
BYTES: Final = "bytes"

DEPARTMENT: Final = "$department"
"""The dashboard's variable, in a query."""


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL, and what a series is called: text with labels in double braces."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`help` says what is normal and what is not."""

    title: str
    help: str
    unit: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`name` is its file and its address. `by_department`: it has a variable of that name.

    `service`: one that an installation need not have.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    by_department: bool = False
    service: str = ""

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)


def quantiles(metric: str, by: str = "", where: str = "") -> tuple[Query, ...]:
    """Median and 99th percentile of a histogram over five minutes."""
    labels = f"le, {by}" if by else "le"
    name = f" {{{{{by}}}}}" if by else ""
    return tuple(
        Query(f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{where}[5m])))", f"p{percent}{name}")
        for share, percent in ((0.5, 50), (0.99, 99))
    )
