"""A gateway in front of departments of the release before: an upgrade replaces one service after the other."""

import httpx
import pytest

from services.gateway.settings import DeskAddress
from services.gateway.staff.desk.desk_client import DeskClient, DeskRefused

DESK = DeskAddress(address="http://127.0.0.1:9", token="t" * 20)


def desk(status: int) -> DeskClient:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json={"type": "urn:x:y"}))
    return DeskClient("library", httpx.AsyncClient(transport=transport), DESK)


async def test_a_department_from_before_there_were_notes_has_none() -> None:
    assert await desk(404).notes("方石", "TS20260001") == ()


async def test_a_department_that_refuses_to_show_notes_is_no_older_one() -> None:
    with pytest.raises(DeskRefused):
        await desk(409).notes("方石", "TS20260001")
