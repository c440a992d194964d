"""The migrations the clearance's database is made of, in order."""

from pathlib import Path
from typing import Final

from services.kit.postgres import pool

_KIT: Final = Path(pool.__file__).parent / "migrations"
_SHARED: Final = ("outbox", "inbox", "audit", "imports")
FOLDERS: Final = (*(_KIT / name for name in _SHARED), Path(__file__).parent / "migrations")
