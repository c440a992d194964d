"""Kafka and PostgreSQL, as the services see them: no exporter is needed."""

from typing import Final

from deploy.observability.panels import BYTES, COUNT, PER_SECOND, SECONDS, SHARE, Dashboard, Panel, Query, Row

_READ: Final = "sum by (database) (rate(lixiao_database_blocks_total[5m]))"
_TRANSACTIONS: Final = "sum by (database) (rate(lixiao_database_transactions_total[5m]))"

SERVERS: Final = Dashboard(
    "servers",
    "Kafka and PostgreSQL",
    (
        Row(
            "Kafka",
            (
                Panel(
                    "Brokers",
                    "As many as the cluster has. One that is missing is down; with three copies nothing waits for it.",
                    COUNT,
                    (Query("min by (job) (lixiao_kafka_brokers)", "{{job}}"),),
                ),
                Panel(
                    "Partitions without a leader or with copies behind",
                    "Zero. While it is not, the next broker that fails may stop events; nothing is lost.",
                    COUNT,
                    (Query("max by (job, consumer) (lixiao_kafka_degraded)", "{{job}} {{consumer}}"),),
                ),
                Panel(
                    "Time since the broker answered",
                    "Under ten seconds: it is asked every five.",
                    SECONDS,
                    (Query("max by (job, consumer) (lixiao_kafka_answer_age_seconds)", "{{job}} {{consumer}}"),),
                ),
                Panel(
                    "Records",
                    "Per second, to each consumer.",
                    PER_SECOND,
                    (
                        Query(
                            "sum by (job, consumer) (rate(lixiao_kafka_records_total[5m]))",
                            "{{job}} {{consumer}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "PostgreSQL: does it answer",
            (
                Panel(
                    "Time of an answer",
                    "Milliseconds. Above half a second its service is slow: the disk, the processor, or the way to it.",
                    SECONDS,
                    (Query("max by (database) (lixiao_database_answer_seconds)", "{{database}}"),),
                ),
                Panel(
                    "Sessions that wait for a lock",
                    "Zero but for moments. Else somebody holds a lock: pg_stat_activity and pg_locks say who.",
                    COUNT,
                    (Query("max by (database) (lixiao_database_waiting)", "{{database}}"),),
                ),
                Panel(
                    "Age of the oldest transaction",
                    "Seconds at most; an import's or a purge's may take longer.",
                    SECONDS,
                    (Query("max by (database) (lixiao_database_oldest_transaction_seconds)", "{{database}}"),),
                ),
            ),
        ),
        Row(
            "PostgreSQL: what it does",
            (
                Panel(
                    "Transactions",
                    "Per second.",
                    PER_SECOND,
                    (Query(_TRANSACTIONS, "{{database}}"),),
                ),
                Panel(
                    "Execution time of a transaction",
                    "In the mean, in PostgreSQL alone. Short while answers are late: the way to it is slow.",
                    SECONDS,
                    (
                        Query(
                            "sum by (database) (rate(lixiao_database_active_seconds_total[5m])) "
                            f"/ clamp_min({_TRANSACTIONS}, 0.001)",
                            "{{database}}",
                        ),
                    ),
                ),
                Panel(
                    "Rolled back, and deadlocks, last hour",
                    "A few: each was tried again. Many: see batch.retried and request.deferred in the log.",
                    COUNT,
                    (
                        Query(
                            "sum by (database) "
                            '(increase(lixiao_database_transactions_total{outcome="rolled-back"}[1h]))',
                            "{{database}}",
                        ),
                        Query(
                            "sum by (database) (increase(lixiao_database_deadlocks_total[1h]))",
                            "{{database}}: deadlocks",
                        ),
                    ),
                ),
                Panel(
                    "Blocks found in memory",
                    "Above 99 %. Less: more memory, or a statement that reads whole tables.",
                    SHARE,
                    (
                        Query(
                            'sum by (database) (rate(lixiao_database_blocks_total{found="memory"}[5m])) '
                            f"/ clamp_min({_READ}, 0.001)",
                            "{{database}}",
                        ),
                    ),
                ),
                Panel(
                    "Connections",
                    "All roles together; each process has up to fourteen, the server 100 by default.",
                    COUNT,
                    (Query("max by (database) (lixiao_database_sessions)", "{{database}}"),),
                ),
                Panel(
                    "Size",
                    "Grows with the season; falls by the purge of each day only after a vacuum.",
                    BYTES,
                    (Query("max by (database) (lixiao_database_size_bytes)", "{{database}}"),),
                ),
            ),
        ),
    ),
)
