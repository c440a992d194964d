"""Who came in, who went out and who was refused, with the address they had."""

import json
from typing import Any

import asyncpg

from deploy.local.identity.people import Person
from schemas.events import SubmitAsked
from services.gateway.tables.access_audit import AccessAudit
from services.kit.signing.session_proofs import check_proof
from tests.support.gateway.hostile_provider import Hostile, answer, start
from tests.support.gateway.read_model import ReadModelWriter
from tests.support.gateway.server import BrowserClient, RunningGateway
from tests.support.gateway.visits import STAFF, clear_and_signed_in, commands, id_of, posted, rows

Entry = tuple[str, str, str | None, dict[str, Any]]


async def entries(gateway: RunningGateway, actor: str, student_id: str | None = None) -> list[Entry]:
    """Act, outcome, student and details."""
    found = await rows(
        gateway.database,
        "SELECT act, outcome, student_id, details FROM audit.entry"
        " WHERE actor = $1 AND student_id IS NOT DISTINCT FROM $2 ORDER BY entry_id",
        actor,
        student_id,
    )
    return [(row["act"], row["outcome"], row["student_id"], json.loads(row["details"])) for row in found]


async def test_a_students_sign_in_and_sign_out_are_audited_with_session_and_address(
    gateway: RunningGateway, browser: BrowserClient, person: Person
) -> None:
    await browser.sign_in(person)
    await browser.post("/sign-out", {"csrf": await browser.csrf()})
    begun, ended = await entries(gateway, "student", id_of(person))
    assert (begun[0], begun[1], ended[0], ended[1]) == ("session.start", "started", "session.end", "signed-out")
    assert begun[3]["address"] == ended[3]["address"] == "127.0.0.1"
    assert begun[3]["session"] == ended[3]["session"]
    assert person.sub not in json.dumps([begun, ended])


async def test_a_command_shows_the_session_that_the_audit_has_the_key_of(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    await browser.post("/submit", {"csrf": await browser.csrf()})
    (event,) = await posted(gateway, person)
    assert isinstance(event, SubmitAsked)
    check_proof(event, required=True)
    found = await entries(gateway, "student", id_of(person))
    [begun], [asked] = ([one[3] for one in found if one[0] == act] for act in ("session.start", "command.ask"))
    assert event.session is not None
    assert (begun["key"], begun["session"]) == (event.session.key, asked["session"])


async def test_each_way_a_session_ends_is_told_apart(
    gateway: RunningGateway, browser: BrowserClient, person: Person
) -> None:
    await browser.sign_in(person)
    await browser.sign_in(person)
    other = BrowserClient(gateway)
    await other.sign_in(person)
    await other.post("/sessions/end", {"csrf": await other.csrf()})
    await other.close()
    outcomes = [
        outcome for act, outcome, *_ in await entries(gateway, "student", id_of(person)) if act == "session.end"
    ]
    assert outcomes == ["replaced", "ended-elsewhere"]


async def test_somebody_without_role_or_number_is_audited_by_the_account(
    gateway: RunningGateway, browser: BrowserClient
) -> None:
    await browser.sign_in(STAFF)
    assert [entry[:2] for entry in await entries(gateway, STAFF.sub)] == [("session.refuse", "no_role")]


async def test_a_page_of_another_role_is_refused_and_audited(
    gateway: RunningGateway, browser: BrowserClient, person: Person
) -> None:
    await browser.sign_in(person)
    for address in ("/desk", "/staff/library", "/api/v1/desk"):
        assert (await browser.get(address)).status_code == 403
    refused = [entry for entry in await entries(gateway, "student", id_of(person)) if entry[0] == "access.refuse"]
    assert [(outcome, details["required"], details["route"]) for _, outcome, _, details in refused] == [
        ("role", "desk", "/desk"),
        ("role", "staff", "/staff/{department}"),
        ("role", "desk", "/api/v1/desk"),
    ]


async def test_a_forged_answer_of_the_provider_is_audited_with_its_reason_and_signs_nobody_in(
    hostile_gate: RunningGateway, hostile: Hostile
) -> None:
    browser = BrowserClient(hostile_gate)
    changes: tuple[dict[str, Any], ...] = ({"nonce": "of another sign-in"}, {"aud": "another service"})
    for forged in changes:
        state, nonce = await start(browser)
        hostile.token = answer(hostile.signed(**{"nonce": nonce, **forged}))
        assert (await browser.get(f"/sign-in/callback?code=c-1&state={state}")).status_code == 403
    found = await entries(hostile_gate, "unknown")
    assert [(act, outcome) for act, outcome, *_ in found][-2:] == [
        ("session.refuse", "wrong_nonce"),
        ("session.refuse", "wrong_audience"),
    ]
    assert browser.session_id is None
    await browser.close()


async def test_a_flood_of_refused_sign_ins_does_not_flood_the_audit(gateway: RunningGateway) -> None:
    async with asyncpg.create_pool(gateway.database, min_size=1) as pool:
        audit, before = AccessAudit(pool), len(await entries(gateway, "unknown"))
        for _ in range(150):
            await audit.sign_in_refused("expired")
        assert 100 <= len(await entries(gateway, "unknown")) - before < 150
        await audit.sign_in_refused("no_role", "an account that is known")
    assert len(await entries(gateway, "an account that is known")) == 1


async def test_a_students_command_is_audited_with_the_session_that_asked_for_it(
    gateway: RunningGateway, browser: BrowserClient, clearance: ReadModelWriter, person: Person
) -> None:
    await clear_and_signed_in(browser, clearance, person)
    token = await browser.csrf()
    for _ in range(2):
        await browser.post("/submit", {"csrf": token})
    begun, command = await entries(gateway, "student", id_of(person))
    (made,) = await commands(gateway, person)
    assert command[:2] == ("command.ask", "asked")
    assert command[3].pop("trace")
    assert command[3] == {
        "command": str(made["command_id"]),
        "name": "submit",
        "session": begun[3]["session"],
        "address": "127.0.0.1",
    }
