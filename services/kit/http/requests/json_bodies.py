"""A JSON body with a repeated member is refused: two readers may take two different ones of them for the value."""

import json
from typing import Any

from fastapi import Request
from fastapi.params import Form

from services.kit.http.problems import Problem


class _Repeated(Exception):
    pass


async def refuse_repeated_members(request: Request) -> None:
    """Dependency of every route. Raises a 400 `Problem`; what is no JSON is answered by the route."""
    if not _takes_json(request):
        # A file may be large, and who sends it is not known yet.
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        return
    try:
        json.loads(await request.body(), object_pairs_hook=_distinct)
    except _Repeated:
        raise Problem(
            400,
            "repeated-member",
            "The JSON body names a member twice",
            detail="Send each member of an object once; nothing was changed.",
        ) from None
    except (ValueError, RecursionError):
        return


def _takes_json(request: Request) -> bool:
    body = getattr(request.scope.get("route"), "body_field", None)
    return body is not None and not isinstance(body.field_info, Form)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Repeated
    return members
