"""Departures with everything there is of them, forgetting them, and where a number is still found."""

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from schemas.flows import GATEWAY
from services.clearance.forgetting.forget import Decided, Forgetting
from services.kit.department.changes.requests import change_record
from services.kit.http.requests.idempotency import IdempotencyKey
from services.kit.rules.reasons import ROW_IMPORTED
from tests.support.in_process.after_acceptance import hand_over, submitted, void
from tests.support.in_process.services import record_of
from tests.support.in_process.submission_harness import CLEAR_LIBRARY, OWING, Harness
from tests.support.personal_data import tables_that_mention

OPERATOR: Final = Decided("operator-1", "保存期满")
GATEWAY_ROWS: Final = (
    "INSERT INTO favourite VALUES ($1, now())",
    """INSERT INTO session (id_hash, student_id, csrf, issuer, subject, authenticated_at, started_at, seen_at,
                            expires_at)
    VALUES (sha256(convert_to($1, 'UTF8')), $1, 'c', 'i', 's', now(), now(), now(), now() + interval '1 hour')""",
    """INSERT INTO number_choice (id_hash, csrf, issuer, subject, authenticated_at, roles, student_ids, destination,
                                  expires_at)
    VALUES (sha256(convert_to($1, 'UTF8')), 'c', 'i', 's', now(), '{}', ARRAY[$1, 'TS0000000009'], '/', now())""",
    """INSERT INTO command (command_id, student_id, department, name, asked_at)
    VALUES (gen_random_uuid(), $1, 'library', 'cancel-card', now())""",
)


async def forget(harness: Harness, student_id: str, decided: Decided = OPERATOR) -> dict[str, int]:
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        return await Forgetting(harness.topics).forget(connection, student_id, decided)


async def mentioned(harness: Harness, number: str) -> dict[str, set[str]]:
    """Service → tables with the number."""
    return {
        name: set(tables)
        for name, service in harness.services.items()
        if (tables := await tables_that_mention(service.pool, number))
    }


async def tables_with(harness: Harness, number: str) -> set[str]:
    """Of any service."""
    return {name for tables in (await mentioned(harness, number)).values() for name in tables}


async def fill(harness: Harness, student_id: str) -> None:
    """Something about the student in every table that has anything about a student."""
    for name, desk in harness.desks.items():
        key = IdempotencyKey.of("desk", f"key-{uuid4()}", name)
        await change_record(desk, student_id, lambda record: (record, ROW_IMPORTED()), now=datetime.now(UTC), key=key)
        await _rejected_row(harness.services[name].pool, student_id)
        await harness.services[name].pool.execute(
            "INSERT INTO open_question (student_id, problems, opened_by, opened_at, closed_at, closed_how)"
            " VALUES ($1, '[]', 'desk', now(), now(), 'ended')",
            student_id,
        )
    await _rejected_row(harness.clearance.pool, student_id)
    await harness.command(student_id, "cancel-card", uuid4())
    for statement in GATEWAY_ROWS:
        await harness.services[GATEWAY].pool.execute(statement, student_id)
    # The number in the value only, in the key only, and in bytes that are no JSON.
    for record_key, value in (
        ("TS1", f'{{"student_id":"{student_id}"}}'),
        ("TS1", f'{{"remark":"see\\n{student_id}"}}'),
        (student_id, "{"),
        ("?", f"\xff {student_id}"),
    ):
        for topic in (harness.topics.submission, harness.topics.command, harness.topics.status("library")):
            await harness.deliver(record_of(topic, record_key.encode(), value.encode("latin-1")))
    # One is discarded, with the number in the reason as well.
    await harness.services["library"].pool.execute(
        "UPDATE dead_letter SET ended_at = now(), ended_how = 'discarded', ended_by = 'operator', ended_why = $1"
        " WHERE id = (SELECT max(id) FROM dead_letter)",
        f"{student_id} 的重复消息",
    )
    await harness.deliver_all()


async def _rejected_row(pool: Any, student_id: str) -> None:
    job_id = uuid4()
    await pool.execute(
        "INSERT INTO import_job (job_id, kind, format, encoding, sha256, uploaded_by, uploaded_at, state, rows_total,"
        " rejected, finished_at) VALUES ($1, 'k', 'csv', 'utf-8', sha256('a'), 'desk', now(), 'done', 3, 3, now())",
        job_id,
    )
    # A cell of several lines, whose breaks JSON writes with a letter.
    remark = f"同宿舍：\n{student_id}\t见附件"
    full_width = student_id.lower().translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    rows = (({"读者证号": full_width}, None), ({"备注": remark}, None), ({"a": "b"}, student_id))
    for number, (cells, read) in enumerate(rows, start=1):
        await pool.execute(
            "INSERT INTO import_row (job_id, row_number, state, cells, problems, student_id)"
            " VALUES ($1, $2, 'rejected', $3, '[]', $4)",
            job_id,
            number,
            json.dumps(cells, ensure_ascii=False),
            read,
        )


async def finished(harness: Harness) -> str:
    """A departure with everything there is: a refused attempt, a void form, a hand-over, a closed exception."""
    student_id, first = await submitted(harness)
    await fill(harness, student_id)
    await void(harness, student_id, first)
    await harness.deliver_all()
    await harness.set("library", student_id, OWING.model_dump())
    await harness.deliver_all()
    await harness.submitted(student_id)
    await harness.set("library", student_id, CLEAR_LIBRARY.model_dump())
    await harness.deliver_all()
    await harness.submitted(student_id)
    form = await harness.submission(student_id)
    assert form is not None
    assert form["form_number"] != first
    await harness.set("library", student_id, OWING.model_dump())
    await harness.deliver_all()
    await harness.set("library", student_id, CLEAR_LIBRARY.model_dump())
    await harness.deliver_all()
    assert await hand_over(harness, student_id, form["form_number"]) == "issued"
    assert await hand_over(harness, student_id, first) == "void"
    return student_id
