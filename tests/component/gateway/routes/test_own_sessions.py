"""Where somebody is signed in: seen and ended by themselves, and ended by an operator."""

import asyncio
import re
from datetime import UTC, datetime

import asyncpg
import pytest
from typer.testing import CliRunner

from deploy.local.identity.people import Person
from services.gateway.cli.sessions import sessions
from services.gateway.tables.sessions.session_table import Sessions
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import id_of, rows
from tests.support.waiting import eventually


async def signed_in(gateway: RunningGateway, person: Person, count: int) -> list[BrowserClient]:
    browsers = [BrowserClient(gateway) for _ in range(count)]
    for browser in browsers:
        await browser.sign_in(person)
    return browsers


async def is_in(browser: BrowserClient) -> bool:
    return (await browser.get("/api/v1/favourite")).status_code == 200


async def test_a_person_ends_one_session_elsewhere_then_all_the_others(gateway: RunningGateway, person: Person) -> None:
    here, *others = await signed_in(gateway, person, 4)
    page = (await here.get("/sessions")).text
    assert page.count("本次登录") == 1
    handles = re.findall(r'name="session" value="(\w+)"', page)
    assert len(handles) == 3
    token = await here.csrf()
    assert (await here.post("/sessions/end", {"csrf": token, "session": handles[0]})).status_code == 303
    assert sorted([await is_in(other) for other in others]) == [False, True, True]
    await here.post("/sessions/end", {"csrf": token})
    assert [await is_in(other) for other in others] == [False, False, False]
    assert await is_in(here)
    assert 'name="session"' not in (await here.get("/sessions")).text
    for browser in (here, *others):
        await browser.close()


async def test_nobody_ends_or_sees_the_session_of_another(gateway: RunningGateway, person: Person) -> None:
    (victim,) = await signed_in(gateway, person, 1)
    (row,) = await rows(gateway.database, "SELECT id_hash FROM session WHERE student_id = $1", id_of(person))
    handle = row["id_hash"].hex()[:16]
    other = next(one for one in gateway.people if one.student_id and one.sub != person.sub)
    (attacker,) = await signed_in(gateway, other, 1)
    assert handle not in (await attacker.get("/sessions")).text
    await attacker.post("/sessions/end", {"csrf": await attacker.csrf(), "session": handle})
    await attacker.post("/sessions/end", {"csrf": await attacker.csrf()})
    assert await is_in(victim)
    assert (await attacker.post("/sessions/end", {"csrf": "x", "session": handle})).status_code == 403
    for browser in (victim, attacker):
        await browser.close()


async def test_without_a_session_the_list_leads_to_signing_in(browser: BrowserClient) -> None:
    assert (await browser.get("/sessions")).headers["location"].startswith("/sign-in")


async def test_an_operator_ends_a_persons_sessions_and_that_is_audited(
    gateway: RunningGateway, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    browsers = await signed_in(gateway, person, 2)
    environment = {
        "LIXIAO_DATABASE": gateway.database,
        "LIXIAO_READ_MODEL": gateway.read_model,
        "LIXIAO_KAFKA": "127.0.0.1:9",
        "LIXIAO_OPENID_ISSUER": "http://127.0.0.1:9",
        "LIXIAO_OPENID_CLIENT_ID": "gateway",
    }

    async def command(*arguments: str) -> str:
        done = await asyncio.to_thread(CliRunner().invoke, sessions, arguments, env=environment)
        return f"{done.exit_code} {done.output}"

    assert "2 sessions" in await command("list", "--student", id_of(person))
    assert (await command("end", "--student", id_of(person))).startswith("0 2 ended")
    assert not any([await is_in(browser) for browser in browsers])
    entries = await rows(
        gateway.database,
        "SELECT actor, act, outcome FROM audit.entry WHERE student_id = $1 AND act = 'session.end'",
        id_of(person),
    )
    assert [entry["outcome"] for entry in entries] == ["by-operator"] * 2
    assert all(entry["actor"].startswith("command line: ") for entry in entries)
    assert (await command("end")).startswith("2 ")
    for browser in browsers:
        await browser.close()


async def test_an_open_page_of_an_ended_session_ends_too(
    gateway: RunningGateway, clearance: ReadModelWriter, person: Person
) -> None:
    await clearance.put_case(id_of(person))
    here, other = await signed_in(gateway, person, 2)
    ended: list[str] = []

    async def listen() -> None:
        async with other.stream("/case/live") as response:
            async for line in response.aiter_lines():
                ended.append(line)

    listening = asyncio.create_task(listen())
    await eventually(lambda: bool(ended), what="the stream")
    await here.post("/sessions/end", {"csrf": await here.csrf()})
    await asyncio.wait_for(listening, 10)
    assert any("ended" in line for line in ended)
    for browser in (here, other):
        await browser.close()


@pytest.mark.parametrize("idle_s", [60, 3600])
async def test_use_postpones_the_idle_end_however_short_it_is(
    gateway: RunningGateway, person: Person, idle_s: int
) -> None:
    (browser,) = await signed_in(gateway, person, 1)
    async with asyncpg.create_pool(gateway.database, min_size=1) as pool:
        table = Sessions(pool, idle_s=idle_s, life_s=36_000)
        used = f"UPDATE session SET seen_at = now() - interval '1 s' * {idle_s - 5} WHERE student_id = $1"
        await pool.execute(used, id_of(person))
        assert await table.find(browser.session_id) is not None
        seen_at = await pool.fetchval("SELECT seen_at FROM session WHERE student_id = $1", id_of(person))
    assert (datetime.now(UTC) - seen_at).total_seconds() < 5
    await browser.close()
