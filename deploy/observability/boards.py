"""The dashboards: the season, a department, the way of an event, submissions, the gateway."""

from typing import Final

from deploy.observability.panels import (
    COUNT,
    DEPARTMENT,
    PER_SECOND,
    SECONDS,
    SHARE,
    Dashboard,
    Panel,
    Query,
    Row,
    quantiles,
)

_OF_DEPARTMENT: Final = f'{{department="{DEPARTMENT}"}}'
_OF_OUTBOX: Final = f'{{outbox="{DEPARTMENT}"}}'
_GATEWAY: Final = '{job="gateway"}'

_FRESHNESS: Final = Panel(
    "Freshness of departments",
    "Seconds since the oldest alive mark. Above the freshness bound (60 s) the department's students see 待同步.",
    SECONDS,
    (Query("max by (department) (lixiao_source_freshness_seconds)", "{{department}}"),),
)
_ATTEMPTS: Final = Panel(
    "Submissions by outcome, last hour",
    "Mostly accepted. Many expired: a department does not answer.",
    COUNT,
    (Query("sum by (outcome) (increase(lixiao_attempts_total[1h]))", "{{outcome}}"),),
)
_TO_VIEW: Final = Panel(
    "Commit to view",
    "From a department's commit to the view: p99 under a second.",
    SECONDS,
    quantiles("lixiao_commit_to_view_seconds", "department"),
)

_LIVE: Final = Panel(
    "Open live pages",
    "Students who have their page open, over all instances.",
    COUNT,
    (Query("sum(lixiao_live_streams)", "pages"),),
)

SEASON: Final = Dashboard(
    "season",
    "Season",
    (
        Row(
            "Where the students are",
            (
                Panel(
                    "Cases by state",
                    "Completed grows towards open as the season goes on.",
                    COUNT,
                    (Query("max by (state) (lixiao_cases)", "{{state}}"),),
                ),
                Panel(
                    "Students a department keeps",
                    "Students with an open check there. A line that does not fall for days is the bottleneck.",
                    COUNT,
                    (Query("max by (department) (lixiao_open_statuses)", "{{department}}"),),
                ),
                Panel(
                    "Open questions of imports",
                    "Refused rows and files whose students wait for an answer. Zero in a good week.",
                    COUNT,
                    (Query("sum by (department, about) (lixiao_open_questions)", "{{department}}: {{about}}"),),
                ),
            ),
        ),
        Row("What happens", (_ATTEMPTS, _FRESHNESS)),
    ),
)

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

EVENT_PATH: Final = Dashboard(
    "event-path",
    "The way of an event",
    (
        Row(
            "Desk to Kafka",
            (
                Panel(
                    "Unsent events",
                    "Rows in each outbox, near zero.",
                    COUNT,
                    (Query("max by (outbox) (lixiao_outbox_depth)", "{{outbox}}"),),
                ),
                Panel(
                    "Age of the oldest unsent event",
                    "Near zero. It grows while the broker is away or refuses.",
                    SECONDS,
                    (Query("max by (outbox) (lixiao_outbox_age_seconds)", "{{outbox}}"),),
                ),
                _FRESHNESS,
            ),
        ),
        Row(
            "Kafka to view",
            (
                Panel(
                    "Consumer lag",
                    "Records not committed yet, near zero. It grows while a database is slow or away.",
                    COUNT,
                    (Query("sum by (job, consumer) (lixiao_consumer_lag)", "{{job}} {{consumer}}"),),
                ),
                _TO_VIEW,
                Panel(
                    "Dead letters, last hour",
                    "Zero. Each is a record that could not be read or was refused, kept to be replayed.",
                    COUNT,
                    (Query("sum by (group) (increase(lixiao_dead_letters_total[1h]))", "{{group}}"),),
                ),
                Panel(
                    "Lost records and restored databases, last hour",
                    "Zero. Topics made anew, cut or expired, and databases older than what they have published.",
                    COUNT,
                    (
                        Query("sum by (cause) (increase(lixiao_log_losses_total[1h]))", "{{cause}}"),
                        Query("sum by (found_by) (increase(lixiao_database_behind_total[1h]))", "behind: {{found_by}}"),
                    ),
                ),
                Panel(
                    "Time since the view was compared",
                    "Under a minute for each department.",
                    SECONDS,
                    (Query("max by (department) (lixiao_reconciliation_age_seconds)", "{{department}}"),),
                ),
                Panel(
                    "Findings of reconciliation, last hour",
                    "Zero. The view differed from a department in a partition.",
                    COUNT,
                    (
                        Query(
                            "sum by (department) (increase(lixiao_reconciliation_findings_total[1h]))", "{{department}}"
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "View to page",
            (
                Panel(
                    "Commit to open page",
                    "From a department's commit to the student's open page: p99 under a second.",
                    SECONDS,
                    quantiles("lixiao_commit_to_page_seconds"),
                ),
                _LIVE,
            ),
        ),
        Row(
            "Processes",
            (
                Panel("Services that answer", "One each.", COUNT, (Query("sum by (job) (up)", "{{job}}"),)),
                Panel(
                    "Failures of background tasks, last hour",
                    "Zero. A task is started again by itself; its error is in the log as task.failed.",
                    COUNT,
                    (Query("sum by (job, task) (increase(lixiao_task_failures_total[1h]))", "{{job}} {{task}}"),),
                ),
            ),
        ),
    ),
)

SUBMISSIONS: Final = Dashboard(
    "submissions",
    "Submissions",
    (
        Row(
            "Outcomes",
            (
                _ATTEMPTS,
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
                _LIVE,
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
            ),
        ),
    ),
)

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

DASHBOARDS: Final = (SEASON, A_DEPARTMENT, EVENT_PATH, SUBMISSIONS, GATEWAY, NOTICES)
