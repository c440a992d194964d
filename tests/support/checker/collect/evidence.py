"""From databases and topics to an `Evidence`: reads everything, judges nothing."""

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.flows import CLEARANCE, GATEWAY
from schemas.topics import Topics
from services.kit.manifests import DepartmentManifest, required_checks
from tests.support.checker.collect.clearance import clearance_tables
from tests.support.checker.collect.department import department_tables
from tests.support.checker.collect.gateway import gateway_tables
from tests.support.checker.collect.records import records_of
from tests.support.checker.collect.rest import subscriptions
from tests.support.checker.collect.service import Connect
from tests.support.checker.evidence.evidence import Evidence


async def evidence_of(
    connect: Connect, topics: Topics, departments: Mapping[str, DepartmentManifest], found: Iterable[Any], **more: Any
) -> Evidence:
    """Everything the databases hold beside the records `found` in the topics; `more` are fields of the evidence."""
    records = records_of(found)
    ends: dict[tuple[str, int], int] = {}
    for record in records:
        partition = record.topic, record.partition
        ends[partition] = max(ends.get(partition, 0), record.offset + 1)
    tables = {}
    absent = {name: {check.name: check.absent for check in one.checks} for name, one in departments.items()}
    for name in departments:
        async with connect(name) as connection:
            tables[name] = await department_tables(connection, name, absent[name])
    async with connect(CLEARANCE) as clearance, connect(GATEWAY) as gateway:
        return Evidence(
            required=required_checks(departments),
            absent=absent,
            departments=tables,
            clearance=await clearance_tables(clearance),
            gateway=await gateway_tables(gateway),
            records=records,
            ends=ends,
            subscriptions=subscriptions(topics, departments),
            **more,
        )
