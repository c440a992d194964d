"""The migrations of a department's database, in their order."""

from typing import Final

from services.kit.postgres.migrations import kit_folders

DEPARTMENT_FOLDERS: Final = kit_folders(
    "outbox", "inbox", "audit", "tokens", "republication", "digest", "desk", "imports"
)
