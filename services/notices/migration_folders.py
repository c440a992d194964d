"""The migrations of the notice service's database, in their order."""

from pathlib import Path
from typing import Final

from services.kit.postgres.migrations import kit_folders

NOTICE_FOLDERS: Final = (*kit_folders("outbox", "inbox", "audit", "tokens"), Path(__file__).parent / "migrations")
