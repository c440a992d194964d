"""Finance files as offices send them, through the real import road: file in, status out, the student's page."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from schemas.events import CaseChanged, CaseState, StatusChanged
from schemas.topics import Topics
from services.finance.operations import RULES
from services.gateway.case.decision import CheckState
from services.gateway.case.present import present
from services.gateway.case.progress import case_progress
from services.gateway.case.view_model import CheckView
from services.gateway.case.wording import ViewContext
from services.gateway.i18n.catalogue import catalogue
from services.gateway.read_model.types import known_status
from services.kit.department.changes.imports import department_import
from services.kit.department.desk import Desk
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import discover
from services.kit.messaging.event_sets import Received
from services.kit.messaging.outbox import Wakeup
from tests.support.imports.department import Service, counts, service, student
from tests.support.samples import case_samples
from tests.support.samples.case_samples import NOW, site

HEADINGS = "学号,收费编号,收费学年,收费项目名称,应缴金额,已缴金额\n"


def desk(pool: "asyncpg.Pool[Any]") -> Desk[Any]:
    return Desk(RULES, pool, Topics("test"), Wakeup(), discover()[RULES.name])


@pytest.fixture
async def finance(database: str) -> AsyncIterator[Service]:
    def spec(pool: "asyncpg.Pool[Any]") -> ImportSpec[Any]:
        return department_import(desk(pool), discover()["finance"])

    async with service(database, spec) as running:
        yield running


async def leaving(finance: Service) -> str:
    """A student whose departure is open, so that the office's word about them goes out."""
    student_id, now = student(), datetime.now(UTC)
    case = CaseChanged(student_id=student_id, version=1, state=CaseState.OPEN, occurred_at=now)
    async with finance.pool.acquire() as connection, connection.transaction():
        await desk(finance.pool).apply_cases(connection, [Received(case)], now=now)
    return student_id


async def page_line(finance: Service) -> CheckView:
    """The finance office's line on the page of the one student there is, from the newest status in the outbox."""
    data = await finance.pool.fetchval(
        "SELECT convert_from(value, 'UTF8')::json -> 'data' FROM outbox ORDER BY id DESC LIMIT 1"
    )
    status = StatusChanged.model_validate_json(data)
    received = replace(case_samples.finance([], "0.00"), status=known_status(status))
    snapshot = replace(case_samples.clear(), statuses={**case_samples.clear().statuses, "finance": received})
    page = present(ViewContext(site(), catalogue("zh"), NOW), case_progress(snapshot, (), site(), NOW))
    (line,) = [line for group in page.groups for line in group.lines if line.department == "finance"]
    return line


async def test_paid_more_than_charged_ends_the_debt_and_the_student_reads_how_much(finance: Service) -> None:
    student_id = await leaving(finance)
    owing = await finance.imported(f"{HEADINGS}{student_id},T,2025,学费,1000.00,0\n")
    assert counts(owing) == (1, 0, 0)
    assert (await page_line(finance)).state is CheckState.BLOCKED
    overpaid = f"{HEADINGS}{student_id},T,2025,学费,1000.00,1200.00\n"
    assert counts(await finance.imported(overpaid)) == (1, 0, 0)
    line = await page_line(finance)
    assert line.state is CheckState.CLEAR
    assert line.notes == ("已多缴 200.00 元，请联系财务处退费。多缴的金额不抵其他项目的欠费，也不影响离校。",)
    assert counts(await finance.imported(overpaid)) == (0, 1, 0)


async def test_a_bill_lowered_to_zero_ends_the_debt(finance: Service) -> None:
    student_id = await leaving(finance)
    await finance.imported(f"{HEADINGS}{student_id},T,2025,住宿费,1200.00,0\n")
    assert (await page_line(finance)).state is CheckState.BLOCKED
    assert counts(await finance.imported(f"{HEADINGS}{student_id},T,2025,住宿费,0.00,0.00\n")) == (1, 0, 0)
    line = await page_line(finance)
    assert (line.state, line.notes) == (CheckState.CLEAR, ())


async def test_a_credit_as_a_line_of_its_own_is_refused_with_what_to_send_and_pays_nothing(finance: Service) -> None:
    student_id = await leaving(finance)
    rows = f"{student_id},T,2025,学费,8000.00,7600.00\n{student_id},R,2025,住宿费退费,-400.00,0\n"
    job = await finance.imported(HEADINGS + rows)
    assert counts(job) == (1, 0, 1)
    refused = (await finance.rejected(job))[3]
    assert refused["field"] == "amount"
    assert refused["problem"].startswith("金额不能为负数")
    assert "total paid" in refused["remedy"]
    line = await page_line(finance)
    assert line.state is not CheckState.CLEAR


async def test_a_negative_balance_alone_is_refused_with_what_to_send(finance: Service) -> None:
    student_id = await leaving(finance)
    job = await finance.imported(f"学号,收费编号,收费学年,收费项目名称,应缴金额\n{student_id},T,2025,学费,-400.00\n")
    assert counts(job) == (0, 0, 1)
    assert (await finance.rejected(job))[2]["problem"].startswith("金额不能为负数")


@pytest.mark.parametrize(("amount", "paid"), [("8.35E+03", "8.35E+03"), ("8354.00", "8.354e3"), ("8_354", "8354")])
async def test_an_amount_that_a_sheet_has_shortened_is_rejected(finance: Service, amount: str, paid: str) -> None:
    student_id = await leaving(finance)
    job = await finance.imported(f"{HEADINGS}{student_id},C1,2025,学费,{amount},{paid}\n")
    assert counts(job) == (0, 0, 1)
    (problem,) = (await finance.rejected(job)).values()
    assert "1234.50" in problem["remedy"]
