"""`checks-that-apply` on a real roster: prints whose checks would change, and changes nothing."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.clearance.__main__ import cli
from tests.support.in_process.submission_harness import Harness
from tests.support.samples.roster_students import person

NEW = """
[[leave_category]]
name = "毕业离校"
served = true

[[not_applicable]]
checks = ["dorm.check-out"]
when = { study_form = ["非全日制"] }
reason = { zh = "非全日制学生不住校", en = "Part-time students do not live on campus" }
"""


async def test_a_dry_run_lists_whose_checks_would_change(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part_time = await harness.student()
    await harness.student()
    async with harness.clearance.pool.acquire() as connection, connection.transaction():
        student = person(part_time).model_copy(update={"study_form": "非全日制"})
        await harness.roster.put(connection, student, now=datetime.now(UTC))
    monkeypatch.setenv("LIXIAO_DATABASE", harness.clearance.dsn)
    monkeypatch.setenv("LIXIAO_KAFKA", "127.0.0.1:9")
    file = tmp_path / "clearance.toml"
    file.write_text(NEW)

    async def run(*options: str) -> tuple[int, str]:
        arguments = ["checks-that-apply", "--file", str(file), *options]
        done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
        return done.exit_code, done.output

    code, output = await run()
    assert code == 0, output
    assert f"{part_time}  dorm.check-out: needed -> not needed" in output
    assert "dorm.check-out: needed -> not needed: 1" in output
    code, counts = await run("--only-counts")
    assert (code, part_time in counts) == (0, False)
    file.write_text(NEW.replace("dorm.check-out", "dorm.bicycle"))
    code, refused = await run()
    assert (code, "not_applicable.0.checks: 'dorm.bicycle'" in refused) == (2, True)
