"""The migrations of the gateway's database, in their order."""

from pathlib import Path
from typing import Final

from services.kit.postgres.migrations import kit_folders

GATEWAY_FOLDERS: Final = (*kit_folders("outbox", "inbox", "audit"), Path(__file__).parent / "migrations")
