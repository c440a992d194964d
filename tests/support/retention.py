"""The lists of the services' tables, and the purge of a later day."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.clearance.forgetting.tables import TABLES as CLEARANCE_TABLES
from services.clearance.migration_folders import CLEARANCE_FOLDERS
from services.gateway.migration_folders import GATEWAY_FOLDERS
from services.gateway.retention import TABLES as GATEWAY_TABLES
from services.gateway.settings import GatewaySettings
from services.kit.department.migration_folders import DEPARTMENT_FOLDERS
from services.kit.department.retention import TABLES as DEPARTMENT_TABLES
from services.kit.retention.purge import Purge
from services.kit.retention.tables import Table
from services.notices.migration_folders import NOTICE_FOLDERS
from services.notices.retention import TABLES as NOTICES_TABLES

SETTINGS: Final = GatewaySettings.model_construct()
"""The defaults: the gateway's setting names are those of all services."""
DEPARTMENT: Final = "department"
TABLES: Final[dict[str, tuple[Table, ...]]] = {
    DEPARTMENT: DEPARTMENT_TABLES,
    CLEARANCE: CLEARANCE_TABLES,
    GATEWAY: GATEWAY_TABLES,
    NOTICES: NOTICES_TABLES,
}
FOLDERS: Final[dict[str, Sequence[Path]]] = {
    DEPARTMENT: DEPARTMENT_FOLDERS,
    CLEARANCE: CLEARANCE_FOLDERS,
    GATEWAY: GATEWAY_FOLDERS,
    NOTICES: NOTICE_FOLDERS,
}


async def purge_in(pool: "asyncpg.Pool[Any]", tables: Sequence[Table], *, days: float) -> dict[str, int]:
    """What the loop purges so many days from now; table → rows."""
    later = datetime.now(UTC) + timedelta(days=days)
    return await Purge(pool, tables, SETTINGS, clock=lambda: later).once()
