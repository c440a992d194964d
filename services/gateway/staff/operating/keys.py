"""Keys and tokens of an installation, put together from what each service knows of itself."""

import asyncio
from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from schemas.flows import CLEARANCE
from services.gateway.staff.desk.desk_client import DeskRefused, DeskUnavailable
from services.gateway.staff.operating.answers import FormKey
from services.gateway.staff.operating.client import OperatedServices
from services.gateway.staff.operating.own_service import OwnService
from services.kit.http.operators.token_routes import TokenAnswer
from services.kit.signing.inventory import Certificate, SigningInventory

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A key of `service`. `believed_by`, `missed_by`: services that verify with it, and those that do not know it."""

    service: str
    kid: str
    signs: bool
    since: datetime | None
    believed_by: tuple[str, ...]
    missed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """`form_keys` and a service's tokens are None while it is not known. `unsigned`: services without a key."""

    records: tuple[RecordKey, ...]
    unsigned: tuple[str, ...]
    certificates: tuple[tuple[str, Certificate], ...]
    form_keys: tuple[FormKey, ...] | None
    tokens: tuple[tuple[str, tuple[TokenAnswer, ...] | None], ...]
    away: tuple[str, ...]


async def keys_of(services: OperatedServices, own: OwnService, person: str) -> Keys:
    others = [one for one in services.services if one.name != own.name]
    inventories, tokens, forms = await asyncio.gather(
        asyncio.gather(known(own.keys(person)), *(known(one.keys(person)) for one in others)),
        asyncio.gather(*(known(one.tokens(person)) for one in others)),
        asyncio.gather(*(known(one.form_keys(person)) for one in others if one.name == CLEARANCE)),
    )
    by_service = dict(zip((own.name, *(one.name for one in others)), inventories, strict=True))
    answered = {name: one for name, one in by_service.items() if one is not None}
    return Keys(
        records=record_keys(answered),
        unsigned=tuple(name for name, one in answered.items() if one.signs_with is None),
        certificates=tuple((name, one.certificate) for name, one in answered.items() if one.certificate),
        form_keys=forms[0] if forms else None,
        tokens=tuple((one.name, found) for one, found in zip(others, tokens, strict=True)),
        away=tuple(name for name, one in by_service.items() if one is None),
    )


def record_keys(inventories: "dict[str, SigningInventory]") -> tuple[RecordKey, ...]:
    """Those that sign first. A service that verifies nothing misses nothing."""
    verifying = {name: one for name, one in inventories.items() if one.verifies}
    known_to = {name: {(key.service, key.kid): key.since for key in one.believed} for name, one in verifying.items()}
    signing = {(name, one.signs_with) for name, one in inventories.items() if one.signs_with is not None}
    every = signing | {key for of_one in known_to.values() for key in of_one}
    keys = [
        RecordKey(
            service=service,
            kid=kid,
            signs=(service, kid) in signing,
            since=_since(inventories.get(service), kid, [of_one.get((service, kid)) for of_one in known_to.values()]),
            believed_by=tuple(name for name, of_one in known_to.items() if (service, kid) in of_one),
            missed_by=tuple(name for name, of_one in known_to.items() if (service, kid) not in of_one),
        )
        for service, kid in every
    ]
    return tuple(sorted(keys, key=lambda one: (not one.signs, one.service, one.kid)))


def _since(own: SigningInventory | None, kid: str, believed: Collection[datetime | None]) -> datetime | None:
    """Of a key that signs, since when it does; of another, since when the first service believes it."""
    if own is not None and own.signs_with == kid:
        return own.signs_since
    return min((at for at in believed if at is not None), default=None)


async def known(asked: Awaitable[T]) -> T | None:
    try:
        return await asked
    except (DeskUnavailable, DeskRefused):
        return None
