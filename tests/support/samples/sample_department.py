"""The department that docs/new-department.md writes, made from the page itself."""

import re
import shutil
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

PAGE: Final = ROOT / "docs" / "new-department.md"
NEW: Final = "sports"
CHECK: Final = "equipment"
TITLE: Final = "体育器材中心"

_FILE: Final = re.compile(
    rf"^## [^\n]*`services/({NEW}/[a-z_.]+)`\n.*?^```[a-z]+\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_EMPTY: Final = re.compile(rf"an empty `services/({NEW}/[a-z_.]+)`")
_COMMAND: Final = re.compile(r"^\$ (.+)$", re.MULTILINE)


def page_files() -> dict[str, str]:
    """Path under `services` → content, as the page gives them."""
    text = PAGE.read_text("utf-8")
    return {**dict(_FILE.findall(text)), **dict.fromkeys(_EMPTY.findall(text), "")}


def page_commands() -> list[str]:
    """The commands of the page, in their order."""
    return _COMMAND.findall(PAGE.read_text("utf-8"))


def add_department(services: Path) -> None:
    """Write the page's files under `services`."""
    for path, content in page_files().items():
        file = services / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8")


def copy_department(services: Path, source: str, name: str) -> None:
    """Copy a department's folder as the page says: only `name` is changed, and only in the manifest."""
    folder = services / name
    shutil.copytree(ROOT / "services" / source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = folder / "department.toml"
    manifest.write_text(manifest.read_text("utf-8").replace(f'name = "{source}"', f'name = "{name}"', 1), "utf-8")
