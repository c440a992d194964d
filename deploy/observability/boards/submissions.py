"""Attempts: how they end, and how long the round takes."""

from typing import Final

from deploy.observability.boards.shared import ATTEMPTS
from deploy.observability.panels import COUNT, SECONDS, SHARE, Dashboard, Panel, Query, Row, quantiles

SUBMISSIONS: Final = Dashboard(
    "submissions",
    "Submissions",
    (
        Row(
            "Outcomes",
            (
                ATTEMPTS,
                Panel(
                    "Causes, last hour",
                    "Why attempts ended as they did.",
                    COUNT,
                    (Query("sum by (cause) (increase(lixiao_attempts_total[1h]))", "{{cause}}"),),
                ),
                Panel(
                    "Share that expired",
                    "Under one in a hundred. Above: a department does not answer in time.",
                    SHARE,
                    (
                        Query(
                            'sum(rate(lixiao_attempts_total{outcome="expired"}[15m])) '
                            "/ clamp_min(sum(rate(lixiao_attempts_total[15m])), 0.0001)",
                            "expired",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "The round",
            (
                Panel(
                    "Duration of an attempt",
                    "From opening to end: p99 under a second.",
                    SECONDS,
                    quantiles("lixiao_attempt_duration_seconds"),
                ),
                Panel(
                    "Age of the oldest hold",
                    "Seconds while a round is going on, else zero.",
                    SECONDS,
                    (Query("max by (department) (lixiao_hold_age_seconds)", "{{department}}"),),
                ),
                Panel(
                    "Holds that lapsed, last hour",
                    "Zero: the end of an attempt did not arrive.",
                    COUNT,
                    (Query("sum by (department) (increase(lixiao_holds_lapsed_total[1h]))", "{{department}}"),),
                ),
            ),
        ),
    ),
)
