"""A system's own export through the whole import: file in, job, results of rows and records out."""

import csv
import importlib
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from schemas.topics import Topics
from services.kit.department.changes.imports import department_import, import_headings
from services.kit.department.desk import Desk
from services.kit.imports.sources.folder import FOLDER, load_sources
from services.kit.imports.spec import ImportSpec
from services.kit.manifests import SERVICES, discover
from services.kit.messaging.outbox import Wakeup
from tests.support.imports.department import Service, counts, service, student


@asynccontextmanager
async def department(name: str, database: str, own: Path | None = None) -> AsyncIterator[Service]:
    rules = importlib.import_module(f"services.{name}.operations").RULES
    manifest = discover()[name]
    sources = load_sources(
        [SERVICES / name / FOLDER, own], rules.import_row, import_headings(manifest, rules.import_row)
    )

    def spec(pool: "asyncpg.Pool[Any]") -> ImportSpec[Any]:
        return department_import(Desk(rules, pool, Topics("test"), Wakeup(), manifest), manifest, sources=sources)

    async with service(database, spec) as running:
        yield running


@pytest.fixture
async def library(database: str) -> AsyncIterator[Service]:
    async with department("library", database) as running:
        yield running


@pytest.fixture
async def finance(database: str) -> AsyncIterator[Service]:
    async with department("finance", database) as running:
        yield running


async def record(running: Service, student_id: str) -> dict[str, Any]:
    body = await running.pool.fetchval("SELECT body FROM record WHERE student_id = $1", student_id)
    found: dict[str, Any] = json.loads(body)
    return found


async def test_chinese_words_under_the_usual_headings_are_applied(library: Service) -> None:
    one = student()
    job = await library.imported(f"学号*,姓名,学院,证件状态,论文状态,备注\n{one},林一,信控,已注销,审核通过,\n")
    assert counts(job) == (1, 0, 0)
    assert (job["source"], job["ignored"]) == ("library-system", ["姓名", "学院", "备注"])
    found = await record(library, one)
    assert (found["card"], found["thesis"]) == ("cancelled", "approved")
    assert (await library.imported(f"学号,证件状态\n{one},已注销\n"))["unchanged"] == 1


async def test_school_years_and_amounts_as_a_fee_system_writes_them_are_applied(finance: Service) -> None:
    one = student()
    job = await finance.imported(
        "XH,姓名,收费编号,收费学年,收费项目名称,应缴金额,已缴金额,减免金额\n"
        f'{one},林一,T,2025-2026学年,学费,"8,000.00",￥6000.00,500元\n'
    )
    assert (counts(job), job["source"]) == ((1, 0, 0), "fee-system")
    (charge,) = (await record(finance, one))["charges"]
    assert [charge[name] for name in ("year", "amount", "paid", "waived")] == [
        "2025-2026",
        "8000.00",
        "6000.00",
        "500.00",
    ]


async def test_an_unknown_word_rejects_its_row_and_the_corrected_export_has_the_files_own_words(
    library: Service,
) -> None:
    one, other = student(), student()
    job = await library.imported(f"读者证号,姓名,证件状态,书名\n{one},林一,冻结,\n{other},文二,已注销,采矿学\n")
    assert counts(job) == (0, 0, 2)
    rejected = await library.rejected(job)
    assert "已注销" in rejected[2]["remedy"]
    assert "冻结" not in str(rejected)
    exported = (await library.http.get(f"/imports/{job['job_id']}/rows.csv")).content
    rows = list(csv.DictReader(io.StringIO(exported.decode("utf-8-sig"))))
    assert [(row["读者证号"].strip("'"), row["证件状态"]) for row in rows] == [(one, "冻结"), (other, "已注销")]
    corrected = exported.decode().replace("冻结", "已注销").replace("采矿学", "")
    assert counts(await library.imported(corrected)) == (2, 0, 0)
    assert (await record(library, other))["card"] == "cancelled"


async def test_a_split_column_of_a_rejected_row_is_exported_as_it_was(database: str) -> None:
    one = student()
    async with department("dorm", database) as dorm:
        job = await dorm.imported(f"学号,宿舍,退宿时间\n{one},南湖校区-梅苑1楼-A0307,6/5/2026\n")
        assert (await dorm.rejected(job))[2]["problem"].startswith("“退宿时间”不是日期")
        exported = (await dorm.http.get(f"/imports/{job['job_id']}/rows.csv")).content.decode("utf-8-sig")
        (row,) = csv.DictReader(io.StringIO(exported))
        assert row["宿舍"] == "南湖校区-梅苑1楼-A0307"
        assert counts(await dorm.imported(exported.replace("6/5/2026", "2026-06-05 10:00"))) == (1, 0, 0)
        (residence,) = (await record(dorm, one))["residences"]
        assert (residence["building"], residence["checked_out_on"]) == ("梅苑1楼", "2026-06-05")


async def sent_again(running: Service, job: dict[str, Any], **changes: str) -> dict[str, Any]:
    """The job of the exported rows, each with these cells changed."""
    exported = (await running.http.get(f"/imports/{job['job_id']}/rows.csv")).content.decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(exported))
    text = io.StringIO()
    writer = csv.DictWriter(text, rows.fieldnames or ())
    writer.writeheader()
    writer.writerows([{**row, **changes} for row in rows])
    return await running.imported(text.getvalue())


async def test_a_column_that_repeats_amounts_is_exported_as_an_amount(finance: Service) -> None:
    one = student()
    job = await finance.imported(
        f"XH,收费编号,学年,收费项目,应收金额,实收金额,欠费金额\n{one},T,2025,学费,八千,0,8000.00\n"
    )
    assert counts(job) == (0, 0, 1)
    assert counts(await sent_again(finance, job, 应收金额="8000.00")) == (1, 0, 0)


async def test_what_a_corrected_column_says_of_another_is_read_anew(finance: Service) -> None:
    one = student()
    job = await finance.imported(f"XH,收费项目代码,学年,收费项目,应收金额,缴费状态\n{one},1E+3,2025,学费,800,未缴\n")
    assert counts(await sent_again(finance, job, 收费项目代码="1000", 缴费状态="已缴")) == (1, 0, 0)
    (charge,) = (await record(finance, one))["charges"]
    assert (charge["charge_id"], charge["paid"]) == ("1000-2025", "800.00")


async def test_a_book_whose_day_of_return_was_a_mistake_is_out_after_the_correction(library: Service) -> None:
    one = student()
    job = await library.imported(f"读者证号,图书条码,书名,应还时间,归还日期\n{one},B1,采矿学,不详,2026-06-01\n")
    assert counts(job) == (0, 0, 1)
    assert counts(await sent_again(library, job, 应还时间="2026-06-20", 归还日期="")) == (1, 0, 0)
    assert [loan["barcode"] for loan in (await record(library, one))["loans"]] == ["B1"]


async def test_a_source_is_chosen_by_its_name_and_an_unknown_name_is_refused(library: Service) -> None:
    headers = {"Content-Type": "text/csv"}
    file = f"学号,证件状态\n{student()},注销\n"
    answer = await library.http.post("/imports?source=library-system", content=file.encode(), headers=headers)
    assert (answer.status_code, answer.json()["source"]) == (202, "library-system")
    answer = await library.http.post("/imports?source=other", content=file.encode(), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("unknown-source")
    assert "library-system" in answer.json()["detail"]


async def test_a_university_adds_words_in_a_folder_of_its_own(database: str, tmp_path: Path) -> None:
    shipped = (SERVICES / "library" / FOLDER / "library-system.toml").read_text("utf-8")
    (tmp_path / "library-system.toml").write_text(shipped.replace('"已退证"', '"已退证", "冻结"'), "utf-8")
    async with department("library", database, tmp_path) as library:
        assert counts(await library.imported(f"学号,证件状态\n{student()},冻结\n")) == (1, 0, 0)


async def test_a_column_that_may_say_something_is_refused_as_before(library: Service) -> None:
    answer = await library.send(f"学号,证件状态,押金状态\n{student()},已注销,未退\n")
    assert answer.status_code == 422
    assert "“押金状态”无法识别" in answer.json()["errors"][0]["problem"]


@pytest.mark.parametrize(
    ("row", "source", "covered"),
    [
        ({"thesis": "approved"}, None, ["thesis"]),
        ({"loan_barcode": None, "fine_id": None}, None, ["borrowing"]),
        ({"论文提交状态": "审核通过", "图书条码": "", "欠款编号": ""}, "library-system", ["borrowing", "thesis"]),
    ],
)
async def test_json_lines_are_the_list_of_what_their_members_name(
    library: Service, row: dict[str, str | None], source: str | None, covered: list[str]
) -> None:
    params = {"covers": "2026"} | ({"source": source} if source else {})
    line, media_type = json.dumps({"student_id": student(), **row}), {"Content-Type": "application/x-ndjson"}
    answer = await library.http.post("/imports", content=line, params=params, headers=media_type)
    assert answer.status_code == 202, answer.text
    await library.worker().work()
    assert (await library.get(answer.headers["Location"]))["covered"] is True
    assert await library.pool.fetchval("SELECT checks FROM covering_load") == covered


async def test_the_amount_owed_counts_against_a_payment_on_record_that_the_file_leaves_out(finance: Service) -> None:
    one = student()
    await finance.imported(f"XH,收费编号,学年,收费项目,应收金额,实收金额\n{one},T,2025,学费,1000,1000\n")
    job = await finance.imported(f"XH,收费编号,学年,收费项目,应收金额,欠费金额\n{one},T,2025,学费,1000,1000\n")
    assert counts(job) == (1, 0, 0)
    (charge,) = (await record(finance, one))["charges"]
    assert charge["paid"] == "0.00"


async def test_a_book_whose_day_of_return_is_no_day_is_not_returned(library: Service) -> None:
    one, headings = student(), "读者证号,图书条码,书名,应还日期,归还日期"
    await library.imported(f"{headings}\n{one},B1,采矿学,2026-06-01,\n")
    assert counts(await library.imported(f"{headings}\n{one},B1,采矿学,2026-06-01,未还\n")) == (0, 0, 1)
    assert [loan["barcode"] for loan in (await record(library, one))["loans"]] == ["B1"]


async def test_two_terms_of_a_fee_under_one_joined_id_are_not_one_paid_charge(finance: Service) -> None:
    one, headings = student(), "XH,收费项目代码,学年,收费项目,应收金额,实收金额"
    job = await finance.imported(f"{headings}\n{one},01,2025,学费,1000,0\n{one},01,2025,学费,1000,1000\n")
    assert counts(job) == (1, 0, 1)
    refused = (await finance.rejected(job))[3]
    assert (refused["field"], "第 2 行" in refused["problem"], "实收金额" in refused["problem"]) == ("paid", True, True)
    assert await finance.pool.fetchval("SELECT open_questions FROM record WHERE student_id = $1", one) == 1
    assert counts(await sent_again(finance, job, 收费项目代码="02")) == (1, 0, 0)
    owed = [charge["charge_id"] for charge in (await record(finance, one))["charges"] if charge["paid"] == "0.00"]
    assert owed == ["01-2025"]


async def test_a_book_lent_again_is_not_returned_by_the_row_of_its_first_return(library: Service) -> None:
    one, headings = student(), "读者证号,图书条码,书名,应还日期,归还日期"
    out, back = f"{one},B1,采矿学,2026-06-01,\n", f"{one},B1,采矿学,2024-06-01,2024-05-01\n"
    job = await library.imported(f"{headings}\n{out}{back}")
    assert counts(job) == (1, 0, 1)
    assert [loan["barcode"] for loan in (await record(library, one))["loans"]] == ["B1"]
    other = student()
    twice = f"{headings}\n{back}{back.replace('2024', '2023')}".replace(one, other)
    assert (await library.imported(twice))["rejected"] == 0, "returned is returned"


async def test_a_row_that_names_a_later_instant_is_the_newer_word(finance: Service) -> None:
    one, headings = student(), "XH,收费编号,学年,收费项目,应收金额,实收金额,数据时间"
    paid, owed = (f"{one},T,2025,学费,1000,{paid},2026-06-0{day} 10:00\n" for paid, day in (("1000", 5), ("0", 4)))
    job = await finance.imported(f"{headings}\n{owed}{paid}")
    assert (counts(job), job["outdated"]) == ((2, 0, 0), 0)
