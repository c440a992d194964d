"""The waivers an attempt opened with, in PostgreSQL, in the caller's transaction."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver, waiver_list


async def freeze(connection: Connection, attempt_id: UUID, waivers: Iterable[Waiver]) -> None:
    """In the transaction that opens the attempt. Nothing is stored without waivers."""
    found = tuple(waivers)
    if not found:
        return
    await connection.execute(
        "INSERT INTO attempt_waiver (attempt_id, as_of, waivers, names)"
        " SELECT attempt_id, opened_at, $2, $3 FROM attempt WHERE attempt_id = $1",
        attempt_id,
        waiver_list.dump_json(found).decode(),
        json.dumps(waived_by_department(found)),
    )


async def frozen(connection: Connection, attempt_id: UUID) -> dict[CheckKey, Waiver]:
    waivers = await connection.fetchval("SELECT waivers FROM attempt_waiver WHERE attempt_id = $1", attempt_id)
    return {} if waivers is None else {waiver.key: waiver for waiver in waiver_list.validate_json(waivers)}


def waived_by_department(waivers: Iterable[Waiver]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for waiver in waivers:
        found[waiver.department].append(waiver.check)
    return {name: tuple(sorted(checks)) for name, checks in sorted(found.items())}
