"""The answers in the gateway's OpenAPI document are what it answers to a student and to a clerk."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from schemas.events import Reason
from schemas.flows import GATEWAY
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.app import interface_of_gateway
from services.kit.names import CERTIFICATE_DESK
from services.kit.postgres.migrations import migrate
from tests.component.interfaces.conftest import Compare
from tests.support.gateway.read_model import ReadModelWriter, carrying
from tests.support.gateway.server import BrowserClient, RunningGateway, running_gateway
from tests.support.gateway.visits import card_open, id_of
from tests.support.interfaces.recorder import Recorder
from tests.support.servers.fixtures import DatabaseMaker

STUDENT = Person(sub="student", name="虚构", student_id=new_student_id())
NOBODY = Person(sub="nobody", name="子虚", student_id=new_student_id())
CLERK = Person(sub="clerk", name="方石", roles=(CERTIFICATE_DESK,))


@pytest.fixture
async def gateway(make_database: DatabaseMaker) -> AsyncIterator[RunningGateway]:
    database, read_model = await make_database("gateway"), await make_database("clearance")
    await migrate(read_model, CLEARANCE_FOLDERS)
    with running_gateway(
        database, read_model, (STUDENT, NOBODY, CLERK), command_resend_s=3600, command_life_s=90_000
    ) as running:
        yield running


async def test_the_gateway_answers_as_its_document_shows(gateway: RunningGateway, compare: Compare) -> None:
    clearance = ReadModelWriter(gateway.read_model)
    recorder = Recorder(interface_of_gateway().openapi(), {id_of(STUDENT): "TS20260001"})
    await as_student(gateway, clearance, recorder)
    await as_clerk(gateway, clearance, recorder)
    assert recorder.operations == recorder.answers.keys()
    compare(GATEWAY, recorder)


async def as_student(gateway: RunningGateway, clearance: ReadModelWriter, recorder: Recorder) -> None:
    note, browser, stranger = recorder.note, BrowserClient(gateway), BrowserClient(gateway)
    await card_open(clearance, STUDENT)
    note("nobody is signed in", await browser.get("/api/v1/case"))
    await stranger.sign_in(NOBODY)
    note("not on the roster", await stranger.get("/api/v1/case"))
    await browser.sign_in(STUDENT)
    token = await browser.csrf()
    recorder.known[token] = "a-token-of-this-session"
    headers = {"X-CSRF-Token": token}
    note("signed in", await browser.get("/api/v1/me"))
    note("the card is still open", await browser.get("/api/v1/case"))
    note("the card is still open", await browser.get("/api/v1/checks"))
    note("the card is still open", await browser.get("/api/v1/submission"))
    note("without the session's token", await browser.post("/api/v1/submission"))
    note("the card is still open", await browser.post("/api/v1/submission", headers=headers))
    note("asked for", await browser.post("/api/v1/commands/library/cancel-card", headers=headers))
    note("one", await browser.get("/api/v1/commands"))
    await clearance.all_clear_library(id_of(STUDENT), 3)
    note("asked for", await browser.post("/api/v1/submission", headers=headers))
    note("under way", await browser.get("/api/v1/submission"))
    note("it is not", await browser.get("/api/v1/favourite"))
    note("kept", await browser.put("/api/v1/favourite", {"kept": True}, headers))
    await browser.close()
    await stranger.close()


async def as_clerk(gateway: RunningGateway, clearance: ReadModelWriter, recorder: Recorder) -> None:
    note, browser = recorder.note, BrowserClient(gateway)
    signed = await clearance.accept_signed(new_student_id(), name="林知远")
    await clearance.open_exception(
        signed.student_id, "finance", Reason(code="arrears", parameters={"count": 1, "total": "60.00"})
    )
    recorder.known |= {signed.student_id: "TS20260002", signed.form_number: "2026-22222-22222-Z"}
    await browser.sign_in(CLERK, place="desk")
    token = (await browser.get("/api/v1/desk")).json()["csrf"]
    recorder.known[token] = "a-token-of-this-session"
    headers = {"X-CSRF-Token": token}
    note("signed in", await browser.get("/api/v1/desk"))
    note("genuine", await browser.post_json("/api/v1/desk/check", {"form": signed.qr_text}, headers))
    note("no form", await browser.post_json("/api/v1/desk/check", {"form": "2026-99999"}, headers))
    body = {"form_number": signed.form_number, "taken_by": "self"}
    async with carrying(gateway, clearance):
        unconfirmed = await browser.post_json("/api/v1/desk/hand-over", body, headers)
        note("an exception is not confirmed", unconfirmed)
        confirmed = {**body, "confirmed": ["finance 9"], "reason": "已缴清，凭证在案"}
        done = note("handed over", await browser.post_json("/api/v1/desk/hand-over", confirmed, headers))
        of = done.json()["command_id"]
        undo = {"form_number": signed.form_number, "of": of, "reason": "证书已交回"}
        note("undone", await browser.post_json("/api/v1/desk/undo", undo, headers))
    await browser.close()
