"""The migrations of the clearance's database, in their order."""

from pathlib import Path
from typing import Final

from services.kit.postgres.migrations import kit_folders

CLEARANCE_FOLDERS: Final = (
    *kit_folders("outbox", "inbox", "audit", "tokens", "republication", "imports", "digest"),
    Path(__file__).parent / "migrations",
)
