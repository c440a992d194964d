"""One department: whether it is heard, right, and at work."""

from typing import Final

from deploy.observability.panels import COUNT, DEPARTMENT, PER_SECOND, SECONDS, Dashboard, Panel, Query, Row, quantiles

_OF_DEPARTMENT: Final = f'{{department="{DEPARTMENT}"}}'
_OF_OUTBOX: Final = f'{{outbox="{DEPARTMENT}"}}'

A_DEPARTMENT: Final = Dashboard(
    "department",
    "A department",
    (
        Row(
            "Is it heard",
            (
                Panel(
                    "Freshness",
                    "Seconds since its oldest alive mark; above 60 its students see 待同步.",
                    SECONDS,
                    (Query(f"max(lixiao_source_freshness_seconds{_OF_DEPARTMENT})", "freshness"),),
                ),
                Panel(
                    "Unsent events",
                    "Rows in its outbox. They wait while the broker is away, and nothing is lost.",
                    COUNT,
                    (Query(f"max(lixiao_outbox_depth{_OF_OUTBOX})", "rows"),),
                ),
                Panel(
                    "Age of the oldest unsent event",
                    "Near zero.",
                    SECONDS,
                    (Query(f"max(lixiao_outbox_age_seconds{_OF_OUTBOX})", "age"),),
                ),
                Panel(
                    "Commit to view",
                    "p99 under a second.",
                    SECONDS,
                    quantiles("lixiao_commit_to_view_seconds", where=_OF_DEPARTMENT),
                ),
            ),
        ),
        Row(
            "Is it right",
            (
                Panel(
                    "Partitions that differ from the view",
                    "Zero; what differs is published again by itself.",
                    COUNT,
                    (Query(f"max(lixiao_reconciliation_differing{_OF_DEPARTMENT})", "differing"),),
                ),
                Panel(
                    "Statuses not believed",
                    "Older versions published behind newer ones, and statuses waiting to be published again.",
                    COUNT,
                    (
                        Query(f"max(lixiao_source_older_versions{_OF_DEPARTMENT})", "older version"),
                        Query(f"max(lixiao_source_unconfirmed{_OF_DEPARTMENT})", "to be published again"),
                    ),
                ),
                Panel(
                    "Open questions",
                    "Refused rows (student) and files (file).",
                    COUNT,
                    (Query(f"max by (about) (lixiao_open_questions{_OF_DEPARTMENT})", "{{about}}"),),
                ),
                Panel(
                    "Records edited by another hand, last hour",
                    "Zero: records are changed by acts and imports only.",
                    COUNT,
                    (
                        Query(
                            f"sum by (outcome) (increase(lixiao_record_edits_total{_OF_DEPARTMENT}[1h]))", "{{outcome}}"
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Its desk",
            (
                Panel(
                    "Age of the oldest hold",
                    "Seconds. Over ten minutes: the end of an attempt did not arrive.",
                    SECONDS,
                    (Query(f"max(lixiao_hold_age_seconds{_OF_DEPARTMENT})", "oldest"),),
                ),
                Panel(
                    "Requests",
                    "Per second, by status.",
                    PER_SECOND,
                    (
                        Query(
                            "sum by (http_response_status_code) "
                            f'(rate(http_server_request_duration_seconds_count{{job="{DEPARTMENT}"}}[5m]))',
                            "{{http_response_status_code}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
    by_department=True,
)
