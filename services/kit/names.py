"""Names that several processes or modules must spell alike: notification channels, roles and advisory locks.

Service names and event sources belong to the contract: `schemas.flows`.
"""

from enum import IntEnum
from typing import Final

VIEW_CHANNEL: Final = "lixiao_view"
"""NOTIFY channel of the clearance's database: the view changed. The payload is empty: it would be personal data."""
COMMAND_CHANNEL: Final = "lixiao_command"
"""NOTIFY channel of the gateway's database: a command was asked for or answered. The payload is empty."""

ROSTER: Final = "roster"
OPERATOR: Final = "operator"
CERTIFICATE_DESK: Final = "certificate-desk"


def desk_role(department: str) -> str:
    """The role of a department's desk."""
    return f"desk:{department}"


class AdvisoryLock(IntEnum):
    """Keys of PostgreSQL's advisory locks, each taken in the one database it concerns."""

    RELAY_LEADER = 7_316_004_001
    AUDIT_SEALER = 7_316_004_002
    MIGRATION = 7_316_004_003
    PROVISIONING = 7_316_004_004
    SIGNING_KEY = 7_316_004_005
    VIEW_REBUILD = 7_316_004_011


def import_worker_lock(kind: str) -> str:
    """The advisory lock of the workers of one kind of import, as text to be hashed by `hashtextextended`."""
    return f"lixiao.imports.{kind}"
