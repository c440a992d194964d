"""Panels that stand on several dashboards."""

from typing import Final

from deploy.observability.panels import COUNT, SECONDS, Panel, Query

FRESHNESS: Final = Panel(
    "Freshness of departments",
    "Seconds since the oldest alive mark. Above the freshness bound (60 s) the department's students see 待同步.",
    SECONDS,
    (Query("max by (department) (lixiao_source_freshness_seconds)", "{{department}}"),),
)

ATTEMPTS: Final = Panel(
    "Submissions by outcome, last hour",
    "Mostly accepted. Many expired: a department does not answer.",
    COUNT,
    (Query("sum by (outcome) (increase(lixiao_attempts_total[1h]))", "{{outcome}}"),),
)

LIVE: Final = Panel(
    "Open live pages",
    "Students who have their page open, over all instances.",
    COUNT,
    (Query("sum(lixiao_live_streams)", "pages"),),
)
