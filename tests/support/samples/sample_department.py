"""A new department as somebody would make one: a copy of another's folder, with its own name written into it."""

import shutil
from pathlib import Path
from typing import Final

COPIED: Final = "dorm"
ITS_TITLE: Final = "总务部公寓与物业中心"
NEW: Final = "sports"
TITLE: Final = "体育器材中心"


def add_department(services: Path) -> Path:
    """Copy the dormitories' folder under `services` as the new department; the new folder."""
    folder = services / NEW
    shutil.copytree(services / COPIED, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.glob("*.py"):
        text = file.read_text("utf-8").replace(f"services.{COPIED}", f"services.{NEW}")
        file.write_text(text.replace(f'name="{COPIED}"', f'name="{NEW}"'), "utf-8")
    manifest = folder / "department.toml"
    text = manifest.read_text("utf-8")
    for old, new in ((f'name = "{COPIED}"', f'name = "{NEW}"'), ("order = 30", "order = 35"), (ITS_TITLE, TITLE)):
        text = text.replace(old, new)
    manifest.write_text(text, "utf-8")
    return folder
