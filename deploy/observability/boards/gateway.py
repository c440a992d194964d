"""Requests, live pages and forms."""

from typing import Final

from deploy.observability.boards.shared import LIVE
from deploy.observability.panels import COUNT, PER_SECOND, SECONDS, SHARE, Dashboard, Panel, Query, Row, quantiles

_GATEWAY: Final = '{job="gateway"}'

GATEWAY: Final = Dashboard(
    "gateway",
    "Gateway",
    (
        Row(
            "Requests",
            (
                Panel(
                    "Requests by route",
                    "Per second.",
                    PER_SECOND,
                    (
                        Query(
                            f"sum by (http_route) (rate(http_server_request_duration_seconds_count{_GATEWAY}[5m]))",
                            "{{http_route}}",
                        ),
                    ),
                ),
                Panel(
                    "Share of server errors",
                    "Zero. A 503 counts: a dependency was away for a moment.",
                    SHARE,
                    (
                        Query(
                            "sum(rate(http_server_request_duration_seconds_count"
                            '{job="gateway", http_response_status_code=~"5.."}[5m])) '
                            "/ clamp_min(sum(rate(http_server_request_duration_seconds_count"
                            f"{_GATEWAY}[5m])), 0.0001) or vector(0)",
                            "errors",
                        ),
                    ),
                ),
                Panel(
                    "Duration",
                    "p99 under 0.2 s; a live page counts until it is closed and is left out.",
                    SECONDS,
                    quantiles(
                        "http_server_request_duration_seconds", where='{job="gateway", http_route!="/case/live"}'
                    ),
                ),
                Panel(
                    "Requests under way",
                    "A few. It grows while a dependency is slow.",
                    COUNT,
                    (Query("sum by (job) (http_server_active_requests)", "{{job}}"),),
                ),
            ),
        ),
        Row(
            "Pages and forms",
            (
                LIVE,
                Panel(
                    "Living sessions",
                    "Students and staff who have signed in, and whose session has not run out.",
                    COUNT,
                    (Query("max by (kind) (lixiao_sessions)", "{{kind}}"),),
                ),
                Panel(
                    "Characters printed as boxes, last day",
                    "Zero. No font has them: ask the registry for another spelling.",
                    COUNT,
                    (
                        Query(
                            "sum by (script) (increase(lixiao_form_missing_glyphs_total[1d])) or vector(0)",
                            "{{script}}",
                        ),
                    ),
                ),
                Panel(
                    "Pages that could not be kept, last day",
                    "Zero. What students were shown then cannot be looked up: the gateway's database took too little.",
                    COUNT,
                    (Query("sum(increase(lixiao_shown_pages_lost_total[1d])) or vector(0)", "lost"),),
                ),
            ),
        ),
    ),
)
