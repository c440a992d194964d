"""Attempts that led to nothing are purged after their time; one that was accepted stays with its form."""

import asyncpg
import pytest

from services.clearance.forgetting.tables import TABLES
from tests.support.in_process.submission_harness import Harness
from tests.support.retention import SETTINGS, purge_in


async def test_a_refused_attempt_goes_with_its_answers_and_an_accepted_one_stays(harness: Harness) -> None:
    student_id = await harness.student(library={})
    refused = await harness.submitted(student_id)
    await harness.set("library", student_id, {"card": "cancelled", "thesis": "approved"})
    await harness.deliver_all()
    accepted = await harness.submitted(student_id)
    still_open = await harness.submit(await harness.student())
    days, pool = SETTINGS.keep_rounds_days, harness.clearance.pool
    assert await purge_in(pool, TABLES, days=days - 0.1) == {}
    assert await purge_in(pool, TABLES, days=days + 0.1) == {"attempt": 1}
    left = [row["attempt_id"] for row in await pool.fetch("SELECT attempt_id FROM attempt")]
    assert sorted(left) == sorted([accepted, still_open])
    assert await pool.fetchval("SELECT count(*) FROM answer WHERE attempt_id = $1", refused) == 0
    assert await pool.fetchval("SELECT count(*) FROM answer WHERE attempt_id = $1", accepted) == 4
    assert await harness.submission(student_id) is not None
    await harness.deliver_all()


async def test_an_answer_is_deleted_by_nothing_but_the_purge(harness: Harness) -> None:
    await harness.submitted(await harness.student())
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
        await harness.clearance.pool.execute("DELETE FROM answer")
