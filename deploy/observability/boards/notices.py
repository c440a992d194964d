"""What students are told."""

from typing import Final

from deploy.observability.panels import COUNT, SECONDS, Dashboard, Panel, Query, Row

NOTICES: Final = Dashboard(
    "notices",
    "Notices",
    (
        Row(
            "To the students",
            (
                Panel(
                    "Notices by outcome, last hour",
                    "Mostly sent. Postponed: the mail server or robot does not take them.",
                    COUNT,
                    (
                        Query(
                            "sum by (channel, outcome) (increase(lixiao_notices_total[1h]))", "{{channel}}: {{outcome}}"
                        ),
                    ),
                ),
                Panel(
                    "Age of the oldest that waits",
                    "Seconds; hours in quiet hours.",
                    SECONDS,
                    (Query("max by (channel) (lixiao_notice_age_seconds)", "{{channel}}"),),
                ),
                Panel(
                    "Notices given up",
                    "Zero. A person decides: send again or discard.",
                    COUNT,
                    (Query("max by (channel) (lixiao_notices_dead)", "{{channel}}"),),
                ),
            ),
        ),
    ),
    service="notices",
)
