"""The view by Pathway as its documentation shows it, Kafka to a snapshot in PostgreSQL; run in the peers' environment.

Its engine is in Rust, with PATHWAY_THREADS workers. A row is overwritten by whatever is read later: there is no version
guard, its positions are not in the transaction that writes the rows, and there are no dead letters. Its licence is BSL
1.1: a peer of the measurements, of which nothing else may make use.
"""

import json
import os

import pathway as pw

peer = json.loads(os.environ["PEER"])


class Status(pw.Schema):  # type: ignore[misc]
    student_id: str = pw.column_definition(primary_key=True)
    department: str = pw.column_definition(primary_key=True)
    version: int
    occurred_at: str
    status: pw.Json


statuses = pw.io.kafka.read(
    {**peer["kafka"], "group.id": peer["group"], "auto.offset.reset": "earliest"},
    topic=peer["topic"],
    format="json",
    schema=Status,
    # Instead of 1,500, of which the first would be half of the events: they are not counted.
    autocommit_duration_ms=250,
    json_field_paths={
        **{name: f"/data/{name}" for name in ("student_id", "department", "version", "occurred_at")},
        "status": "/data",
    },
)
pw.io.postgres.write(
    statuses,
    peer["postgres"],
    peer["table"],
    output_table_type="snapshot",
    primary_key=[statuses.student_id, statuses.department],
)
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
