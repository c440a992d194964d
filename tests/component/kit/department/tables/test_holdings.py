"""A copy of a book is with one student: it is lent once, and comes back by its barcode alone."""

import asyncio
from typing import Any

import httpx

from deploy.local.installation import new_student_id
from services.kit.department.tables.holders import list_holdings
from tests.component.kit.department.test_desk_api import desk_client, operate

BOOK = {"barcode": "B0042871", "title": "采矿学", "due_on": "2026-06-20"}


async def lend(client: httpx.AsyncClient, student_id: str, barcode: str = BOOK["barcode"]) -> httpx.Response:
    return await operate(client, "loan", student_id, f"key-{student_id}-{barcode}", **{**BOOK, "barcode": barcode})


async def bring_back(
    client: httpx.AsyncClient, barcode: str = BOOK["barcode"], key: str = "key-return-1"
) -> httpx.Response:
    return await client.post(
        "/operations/return-by-barcode", json={"barcode": barcode}, headers={"Idempotency-Key": key}
    )


async def replace(client: httpx.AsyncClient, student_id: str, **record: Any) -> None:
    answer = await client.put("/records", json={"student_id": student_id, "record": record})
    assert answer.status_code == 200, answer.text


async def test_a_book_that_a_friend_brings_back_ends_the_loan_of_whoever_has_it(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        one, other = new_student_id(), new_student_id()
        assert (await lend(client, one)).status_code == 200
        assert (await lend(client, other, "B-2")).status_code == 200
        answer = await bring_back(client, " ｂ0042871 ")
        assert (answer.status_code, answer.json()["student_id"]) == (200, one)
        assert (answer.json()["applied"], answer.json()["record"]["loans"]) == (True, [])
        assert len((await desk.read(other)).record.loans) == 1
        again = await bring_back(client, " ｂ0042871 ")
        assert again.json() == {**answer.json(), "repeated": True}


async def test_a_book_that_nobody_has_or_that_two_have_is_not_returned(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        nobody = await bring_back(client)
        assert (nobody.status_code, nobody.json()["reason"]["code"]) == (409, "copy-not-lent")
        assert nobody.json()["errors"][0]["remedy"].startswith("请核对条码号。 ")
        one, other = new_student_id(), new_student_id()
        assert (await lend(client, one)).status_code == 200
        await replace(client, other, loans=[BOOK])
        twice = await bring_back(client, key="key-return-2")
        assert (twice.status_code, twice.json()["reason"]["code"]) == (409, "copy-lent-twice")
        assert [len((await desk.read(each)).record.loans) for each in (one, other)] == [1, 1]
        refused = await desk.pool.fetch("SELECT act, student_id FROM audit.entry WHERE outcome = 'refused'")
        assert [tuple(row) for row in refused] == [("desk.return-by-barcode", None)] * 2


async def test_a_copy_is_not_lent_to_a_second_student_and_is_again_once_it_is_back(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        one, other = new_student_id(), new_student_id()
        assert (await lend(client, one)).status_code == 200
        second = await lend(client, other, "b0042871")
        assert (second.status_code, second.json()["reason"]["code"]) == (409, "loan-elsewhere")
        assert (await desk.read(other)).record.loans == ()
        repeated = await operate(client, "loan", one, "key-loan-again", **BOOK)
        assert (repeated.status_code, repeated.json()["applied"]) == (200, False)
        assert (await bring_back(client)).status_code == 200
        assert (await operate(client, "loan", other, "key-loan-other", **BOOK)).status_code == 200


async def test_of_many_desks_that_lend_one_copy_at_once_one_does(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        students = [new_student_id() for _ in range(8)]
        for copy in ("B-1", "B-2", "B-3"):
            answers = await asyncio.gather(*(lend(client, student, copy) for student in students))
            assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        held = await desk.pool.fetch("SELECT holdings FROM record WHERE cardinality(holdings) > 0")
        assert len([item for row in held for item in row["holdings"]]) == 3


async def test_lending_and_returning_two_copies_crosswise_never_deadlocks(database: str) -> None:
    async with desk_client(database, "library") as (_, client):
        students = [new_student_id() for _ in range(4)]

        async def visit(number: int) -> list[int]:
            codes = []
            for turn in range(6):
                copy = f"B-{(number + turn) % 2}"
                student = students[(number * turn) % 4]
                lent = await operate(client, "loan", student, f"key-{number}-{turn}-lend", **{**BOOK, "barcode": copy})
                back = await bring_back(client, copy, f"key-{number}-{turn}-back")
                codes += [lent.status_code, back.status_code]
            return codes

        codes = await asyncio.gather(*(visit(number) for number in range(6)))
        assert {code for some in codes for code in some} <= {200, 409}


async def test_loans_stored_before_holdings_were_listed_are_found(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        one = new_student_id()
        assert (await lend(client, one)).status_code == 200
        await desk.pool.execute("UPDATE record SET holdings = NULL")
        assert (await bring_back(client)).status_code == 409
        await list_holdings(desk.pool, desk.rules)
        answer = await bring_back(client, key="key-return-2")
        assert (answer.status_code, answer.json()["student_id"]) == (200, one)


async def test_who_has_a_copy_is_found_by_the_index(database: str) -> None:
    async with desk_client(database, "library") as (desk, client):
        await replace(client, new_student_id(), loans=[BOOK])
        async with desk.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            plan = await connection.fetch(
                "EXPLAIN SELECT student_id FROM record WHERE holdings && ARRAY['loan:b0042871'] LIMIT 2"
            )
        assert any("record_holdings" in row[0] for row in plan)
