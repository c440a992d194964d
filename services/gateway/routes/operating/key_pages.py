"""Signing keys, certificates and tokens of all services, without anything secret."""

from fastapi import APIRouter, Response

from services.gateway.routes.operating.control_room import CurrentRoom
from services.gateway.staff.operating.keys import keys_of

router = APIRouter(include_in_schema=False)


@router.get("/operator/keys")
async def keys(room: CurrentRoom) -> Response:
    return room.page("operator_keys.html", keys=await keys_of(room.services, room.own, room.person))
