"""Sign-ins under way: a short-lived cookie each, for two tabs."""

import secrets
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Final

from fastapi import Response

from services.gateway.web.cookies import SIGN_IN_PREFIX, drop_cookie, set_cookie

MAX_UNDER_WAY: Final = 5
LIFE_S: Final = 600
_NAME_CHARACTERS: Final = 16
_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the provider's answer must match. `started_s` is Unix time."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    destination: str
    started_s: int
    stepped_up: int = 0
    """1 when the provider was asked for what the person's roles require, as the first answer did not show it."""


def new_sign_in(destination: str, now_s: float, *, stepped_up: bool = False) -> SignIn:
    state, nonce, verifier = (secrets.token_urlsafe(_SECRET_BYTES) for _ in range(3))
    return SignIn(state, nonce, verifier, destination, int(now_s), int(stepped_up))


def find_sign_in(cookies: Mapping[str, str], state: str) -> SignIn | None:
    found = _read(cookies.get(_name(state), ""))
    return found if found and secrets.compare_digest(found.state.encode(), state.encode()) else None


def set_sign_in_cookie(response: Response, cookies: Mapping[str, str], sign_in: SignIn) -> None:
    """Drops the oldest of more than `MAX_UNDER_WAY`, all of which each request carries."""
    known = {name: _read(value) for name, value in cookies.items() if name.startswith(SIGN_IN_PREFIX)}
    oldest_first = sorted(known, key=lambda name: one.started_s if (one := known[name]) else 0)
    for name in oldest_first[: max(0, len(known) + 1 - MAX_UNDER_WAY)]:
        drop_cookie(response, name)
    set_cookie(response, _name(sign_in.state), ".".join(str(part) for part in astuple(sign_in)), LIFE_S)


def drop_sign_in_cookie(response: Response, sign_in: SignIn) -> None:
    drop_cookie(response, _name(sign_in.state))


def _name(state: str) -> str:
    return SIGN_IN_PREFIX + state[:_NAME_CHARACTERS]


def _read(value: str) -> SignIn | None:
    match value.split("."):
        case [state, nonce, verifier, destination, started_s, "0" | "1" as stepped_up] if started_s.isdecimal():
            return SignIn(state, nonce, verifier, destination, int(started_s), int(stepped_up))
    return None
