"""A SoftHSM token: keys that sign without leaving it, as an HSM's do."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.servers.jars import cache_folder

PIN: Final = "1357-pin"


@dataclass(frozen=True, slots=True)
class Token:
    module: Path
    label: str
    pin: str = PIN


def find_softhsm() -> tuple[Path, Path] | None:
    """Library and tool."""
    for root in (Path("/"), cache_folder() / "softhsm"):
        for module in root.glob("usr/lib/*/softhsm/libsofthsm2.so"):
            tool = root / "usr/bin/softhsm2-util"
            if tool.exists():
                return module, tool
    return None


def made_token(folder: Path) -> Token | None:
    """In `folder`, which the whole process then uses: SoftHSM reads its configuration once. None without SoftHSM."""
    token = new_token(folder)
    if token is not None:
        os.environ |= configured(folder)
    return token


def new_token(folder: Path) -> Token | None:
    """In `folder`, for a process whose environment has `configured(folder)`. None without SoftHSM."""
    found = find_softhsm()
    if found is None:
        return None
    (folder / "tokens").mkdir()
    _configuration(folder).write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    token = Token(found[0], "lixiao-test")
    manage(folder, "--init-token", "--free", "--label", token.label, "--pin", PIN, "--so-pin", "8642-so")
    return token


def manage(folder: Path, *arguments: str | Path) -> None:
    """SoftHSM's own tool."""
    found = find_softhsm()
    assert found is not None
    module, tool = found
    environment = os.environ | configured(folder)
    subprocess.run([tool, "--module", module, *arguments], check=True, capture_output=True, env=environment)


def configured(folder: Path) -> dict[str, str]:
    return {"SOFTHSM2_CONF": str(_configuration(folder))}


def _configuration(folder: Path) -> Path:
    return folder / "softhsm2.conf"
