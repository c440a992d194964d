"""What its time has ended for goes, in bounded batches, and nothing else; every table is in the list of its service."""

from typing import Any, Final

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.gateway.certificates.proxy_documents import OF_A_CLERK
from services.gateway.tables.line_comments import OF_A_DAY
from services.gateway.tables.shared_limits import SharedLimit, SharedLimits
from services.gateway.web.verification_limits import ADDRESS, NUMBER
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import open_pool
from services.kit.retention.purge import purge_batch
from tests.support.retention import FOLDERS, SETTINGS, TABLES, purge_in

SERVICES: Final = tuple(TABLES)
LIMITS: Final = (OF_A_DAY, OF_A_CLERK, ADDRESS, NUMBER)
_TABLES_OF_A_DATABASE: Final = """
SELECT CASE table_schema WHEN 'public' THEN '' ELSE table_schema || '.' END || table_name
FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""
_COLUMNS_OF_STUDENTS: Final = """
SELECT DISTINCT table_name
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_type = 'BASE TABLE' AND table_schema = 'public' AND column_name ~ '^student_ids?$'
"""
ROWS: Final = {
    "department": """
    INSERT INTO record (student_id, body) VALUES ('TS20260001', '{}');
    INSERT INTO desk_request (principal, request_key, fingerprint, answer)
        SELECT 'desk', 'key-' || n, '', '{}' FROM generate_series(1, 1201) AS n;
    INSERT INTO attestation (attempt_id, student_id, outcome, answer)
        SELECT gen_random_uuid(), 'TS20260001', 'clear', '{}' FROM generate_series(1, 2);
    INSERT INTO hold (attempt_id, student_id, version, placed_at)
        SELECT attempt_id, student_id, 1, given_at FROM attestation LIMIT 1;
    INSERT INTO attempt_end (attempt_id, student_id, outcome, ended_at)
        VALUES (gen_random_uuid(), 'TS20260001', 'accepted', now());
    INSERT INTO command_done (command_id, student_id, command, outcome, answer)
        VALUES (gen_random_uuid(), 'TS20260001', 'cancel-card', 'done', '{}');
    INSERT INTO import_job (job_id, kind, format, encoding, sha256, uploaded_by, uploaded_at, state, finished_at)
        SELECT gen_random_uuid(), 'library', 'csv', 'utf-8', sha256(n::text::bytea), 'desk', now(),
               (ARRAY['done', 'done', 'queued'])[n], CASE WHEN n < 3 THEN now() END FROM generate_series(1, 3) AS n;
    """,
    "gateway": """
    INSERT INTO command (command_id, student_id, department, name, state, asked_at, ended_at) VALUES
        (gen_random_uuid(), 'TS20260001', '', 'submit', 'done', now(), now()),
        (gen_random_uuid(), 'TS20260002', '', 'submit', 'asked', now(), NULL);
    INSERT INTO favourite VALUES ('TS20260001', now());
    INSERT INTO reminder (reminder_id, area, account, filters, students) VALUES (gen_random_uuid(), 'a', 'b', '{}', 1);
    INSERT INTO session (id_hash, student_id, csrf, issuer, subject, authenticated_at, started_at, seen_at, expires_at)
        VALUES (sha256('a'), 'TS20260001', 'c', 'i', 's', now(), now(), now(), now() + interval '1 year'),
               (sha256('b'), 'TS20260001', 'c', 'i', 's', now(), now(), now() + interval '2 years',
                now() + interval '3 years');
    """,
    "notices": """
    INSERT INTO occasion (occasion_id, student_id, kind, subject, number, due_at, collected_at)
        VALUES (gen_random_uuid(), 'TS20260001', 'refused', 'submission', 1, now(), now()),
               (gen_random_uuid(), 'TS20260001', 'refused', 'submission', 2, now(), NULL);
    INSERT INTO notice (notice_id, student_id, channel, occasions, state, ended_at)
        VALUES (gen_random_uuid(), 'TS20260001', 'mail', '{}', 'sent', now()),
               (gen_random_uuid(), 'TS20260001', 'mail', '{}', 'waiting', NULL);
    INSERT INTO sent_occasion VALUES (gen_random_uuid(), 'mail', 'TS20260001', now());
    INSERT INTO reminder (reminder_id, student_id, outcome, asked_at)
        VALUES (gen_random_uuid(), 'TS20260001', 'recent', now());
    INSERT INTO contact (student_id, mail) VALUES ('TS20260001', 'a@example.edu');
    """,
}
LIVES: Final = {
    "department": (
        (SETTINGS.keep_requests_days, {"desk_request": 1201}),
        (SETTINGS.keep_imports_days, {"import_job": 2}),
        (SETTINGS.keep_rounds_days, {"attestation": 1, "attempt_end": 1, "command_done": 1}),
    ),
    "gateway": (
        (SETTINGS.session_idle_s / 86_400, {"session": 1}),
        (SETTINGS.keep_rounds_days, {"command": 1, "favourite": 1, "reminder": 1}),
    ),
    "notices": (
        (SETTINGS.keep_rounds_days, {"occasion": 1, "notice": 1, "sent_occasion": 1, "reminder": 1, "contact": 1}),
    ),
}


async def migrated(dsn: str, service: str) -> "asyncpg.Pool[Any]":
    await migrate(dsn, FOLDERS[service])
    return await open_pool(dsn, name="test")


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_of_a_service_is_in_its_list_once(database: str, service: str) -> None:
    pool = await migrated(database, service)
    names = [row[0] for row in await pool.fetch(_TABLES_OF_A_DATABASE)]
    await pool.close()
    assert sorted(names) == sorted(table.name for table in TABLES[service])


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_with_a_students_number_says_how_it_forgets(database: str, service: str) -> None:
    pool = await migrated(database, service)
    names = {row[0] for row in await pool.fetch(_COLUMNS_OF_STUDENTS)}
    await pool.close()
    assert names
    assert names - {table.name for table in TABLES[service] if table.forget} == set()


@pytest.mark.parametrize("service", ROWS)
async def test_a_row_goes_when_its_time_has_ended_and_not_before(database: str, service: str) -> None:
    pool = await migrated(database, service)
    await pool.execute(ROWS[service])
    for days, going in LIVES[service]:
        assert await purge_in(pool, TABLES[service], days=days - 0.01) == {}
        with capture_logs() as logs:
            assert await purge_in(pool, TABLES[service], days=days + 0.01) == going
        assert {line["table"]: line["count"] for line in logs if line["event"] == "rows.purged"} == going
    assert await purge_in(pool, TABLES[service], days=600) == {}
    await pool.close()


@pytest.mark.parametrize(("name", "rows"), [("desk_request", 500), ("import_job", 1)])
async def test_a_batch_is_bounded_and_a_job_with_all_its_rows_is_one(database: str, name: str, rows: int) -> None:
    pool = await migrated(database, "department")
    await pool.execute(ROWS["department"])
    (table,) = (table for table in TABLES["department"] if table.name == name)
    async with pool.acquire() as connection, connection.transaction():
        latest = await connection.fetchval("SELECT now() + interval '1 day'")
        assert await purge_batch(connection, table, latest) == rows
    await pool.close()


async def test_an_ended_dead_letter_keeps_no_content_and_a_discarded_one_its_position(database: str) -> None:
    pool = await migrated(database, "clearance")
    await pool.execute(
        """
        INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, reason, ended_at, ended_how)
        SELECT 'c', 't', 0, n, 'TS20260001', 'raw', 'why', CASE WHEN n > 1 THEN now() END,
               (ARRAY[NULL, 'replayed', 'discarded'])[n] FROM generate_series(1, 3) AS n
        """
    )
    tables, days = TABLES["clearance"], SETTINGS.keep_dead_letters_days
    assert await purge_in(pool, tables, days=days - 0.01) == {}
    assert await purge_in(pool, tables, days=days + 0.01) == {"dead_letter": 2}
    assert await purge_in(pool, tables, days=days + 1) == {}
    rows = await pool.fetch('SELECT "offset", ended_how, key, value FROM dead_letter ORDER BY "offset"')
    assert [tuple(row) for row in rows] == [(1, None, b"TS20260001", b"raw"), (3, "discarded", None, None)]
    await pool.close()


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
async def test_a_limit_that_is_purged_has_filled_up_again(database: str, limit: SharedLimit) -> None:
    pool = await migrated(database, "gateway")
    limits = SharedLimits(pool)
    while (wait_s := await limits.take(limit, "TS20260001")) == 0.0:
        pass
    until_full_s = wait_s + (limit.burst - 1) / limit.rate
    assert await purge_in(pool, TABLES["gateway"], days=(until_full_s - 60) / 86_400) == {}
    assert await purge_in(pool, TABLES["gateway"], days=3) == {"shared_limit": 1}
    await pool.close()
