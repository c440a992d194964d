"""The way of an event, from the desk's outbox to the student's open page."""

from typing import Final

from deploy.observability.boards.shared import FRESHNESS, LIVE
from deploy.observability.panels import COUNT, SECONDS, Dashboard, Panel, Query, Row, quantiles

_TO_VIEW: Final = Panel(
    "Commit to view",
    "From a department's commit to the view: p99 under a second.",
    SECONDS,
    quantiles("lixiao_commit_to_view_seconds", "department"),
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
                FRESHNESS,
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
                LIVE,
            ),
        ),
        Row(
            "Processes",
            (
                Panel("Services that answer", "One each.", COUNT, (Query("sum by (job) (up)", "{{job}}"),)),
                Panel(
                    "Failures of background tasks, last hour",
                    "Zero. A task is started again by itself; its error is in the log as task.failed. "
                    "Tasks that failed are named beside the sums of services.",
                    COUNT,
                    (
                        Query(
                            "sum by (job) (increase(lixiao_task_failures_total[1h])) "
                            "or sum by (job, task) (increase(lixiao_task_failures_total[1h])) > 0",
                            "{{job}} {{task}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
