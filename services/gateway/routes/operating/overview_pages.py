"""The services at a glance."""

import asyncio
from datetime import timedelta

from fastapi import APIRouter, Response

from schemas.flows import CLEARANCE
from services.gateway.routes.operating.control_room import CurrentRoom
from services.gateway.staff.operating.overview import differing, states_of

router = APIRouter(include_in_schema=False)


@router.get("/operator")
async def overview(room: CurrentRoom) -> Response:
    states, findings, sources, attempts = await asyncio.gather(
        states_of(room.services, room.person),
        differing(room.services.find(CLEARANCE), room.person),
        room.reader.sources(),
        room.reader.attempts(),
    )
    bound = room.context.now - timedelta(seconds=room.settings.freshness_bound_s)
    return room.page(
        "operator.html",
        states=states,
        findings=findings,
        sources=[(one, one.as_of is None or one.as_of < bound) for one in sources],
        attempts=attempts,
    )
