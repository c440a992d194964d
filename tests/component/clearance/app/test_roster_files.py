"""Roster files: imported, previewed, counted."""

import json
import secrets

import pytest

from tests.support.clearance.running import CHINESE, Service, person, roster_file, state


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
async def test_a_roster_file_opens_cases_names_its_bad_rows_and_is_harmless_twice(service: Service, kind: str) -> None:
    people = [person() for _ in range(3)] + [person(leave_category="结业"), person(enrolled_on="soon")]
    content = roster_file(kind, people)
    _, rows = await service.imported(f"名单.{kind}", content)
    assert [row["state"] for row in rows] == ["applied"] * 4 + ["rejected"]
    assert "enrolled_on" in json.dumps(rows[4])
    assert [await state(service, who) for who in people] == ["open"] * 3 + ["not-served", None]
    _, rows = await service.imported(f"名单.{kind}", content)
    assert [row["state"] for row in rows] == ["unchanged"] * 4 + ["rejected"]
    assert await service.clearance.pool.fetchval("SELECT count(*) FROM student_case") == 4


async def test_a_graduate_schools_own_list_is_previewed_and_then_imported_as_it_is(service: Service) -> None:
    number = f"TS{secrets.token_hex(6).upper()}"
    content = (
        "学号*,学生姓名,性别,培养单位,学科专业,年级,导师姓名,入学日期,离校类别,毕业年份\n"
        f"{number},林知远,男性,信控学院,控制科学,2023级,王五,20230901,毕业离校,2026届\n"
    ).encode()
    seen = (await service.ask("POST", "/imports/preview", files={"file": ("名单.csv", content)})).json()
    (row,) = seen["rows"]
    assert (seen["source"], seen["ignored"], row["state"], row["before"]) == (
        "graduate-system",
        ["导师姓名"],
        "applied",
        {},
    )
    assert {name: row["after"][name] for name in ("state", "enrolled_on", "cohort")} == {
        "state": "open",
        "enrolled_on": "2023-09-01",
        "cohort": "2026",
    }
    assert (await service.ask("POST", "/cases/query", json={"student_id": number})).status_code == 404
    job, _ = await service.imported("名单.csv", content)
    assert (job["source"], job["applied"]) == ("graduate-system", 1)
    assert (await service.ask("POST", "/cases/query", json={"student_id": number})).json()["state"] == "open"


async def test_an_import_says_how_many_cases_it_opened_changed_and_closed_and_which_words_it_does_not_know(
    service: Service,
) -> None:
    def listed(*rows: dict[str, str]) -> bytes:
        lines = [",".join(CHINESE.values()), *(",".join(row[name] for name in CHINESE) for row in rows)]
        return "\n".join(lines).encode()

    words = ("毕业", " 毕业生离校", "毕业离校（春季）", "结业", "延期毕业", "退学")
    people = [person(leave_category=word) for word in words]
    job, _ = await service.imported("first.csv", listed(*people))
    assert job["effects"] == {"opened": 3, "not-served": 3}
    assert job["unrecognised"] == ["延期毕业", "退学"]
    people[0] |= {"name": "林远"}
    people[1] |= {"leave_category": "退学"}
    people[3] |= {"leave_category": "毕业离校"}
    job, _ = await service.imported("second.csv", listed(*people))
    assert job["effects"] == {"opened": 1, "changed": 1, "closed": 1, "unchanged": 1, "not-served": 2}
    assert job["unrecognised"] == ["延期毕业", "退学"]
