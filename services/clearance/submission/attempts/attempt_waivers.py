"""The waivers an attempt opened with, in PostgreSQL, in the caller's transaction."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from services.kit.postgres.pool import Connection
from services.kit.rules.waivers import CheckKey, Waiver, waiver_list


async def freeze(connection: Connection, given: Iterable[tuple[UUID, Iterable[Waiver]]]) -> None:
    """Of each attempt, in the transaction that opens it. Nothing is stored without waivers."""
    found = [(attempt_id, waivers) for attempt_id, each in given if (waivers := tuple(each))]
    if found:
        await connection.execute(
            _FREEZE,
            [attempt_id for attempt_id, _ in found],
            [waiver_list.dump_json(waivers).decode() for _, waivers in found],
            [json.dumps(waived_by_department(waivers)) for _, waivers in found],
        )


async def frozen(connection: Connection, attempt_id: UUID) -> dict[CheckKey, Waiver]:
    waivers = await connection.fetchval("SELECT waivers FROM attempt_waiver WHERE attempt_id = $1", attempt_id)
    return {} if waivers is None else by_check(waivers)


def by_check(stored: str) -> dict[CheckKey, Waiver]:
    return {waiver.key: waiver for waiver in waiver_list.validate_json(stored)}


def waived_by_department(waivers: Iterable[Waiver]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    for waiver in waivers:
        found[waiver.department].append(waiver.check)
    return {name: tuple(sorted(checks)) for name, checks in sorted(found.items())}


_FREEZE: Final = """
INSERT INTO attempt_waiver (attempt_id, as_of, waivers, names)
SELECT attempt_id, opened_at, waivers::jsonb, names::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS given (attempt_id, waivers, names) JOIN attempt USING (attempt_id)
"""
