"""Poppler's programs: what another reader makes of a PDF."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.local.servers.jars import cache_folder


def poppler(name: str, *arguments: str | Path) -> str:
    """Output of `pdfsig`, `pdftoppm` …; where there is none, the test is skipped (with `--ci`, it fails)."""
    for root in (Path("/"), cache_folder() / "poppler"):
        if (program := root / "usr/bin" / name).exists():
            libraries = ":".join(map(str, root.glob("usr/lib/*-linux-gnu"))) if root != Path("/") else ""
            environment = os.environ | ({"LD_LIBRARY_PATH": libraries} if libraries else {})
            command = [str(program), *map(str, arguments)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            return done.stdout + done.stderr
    pytest.skip(f"no {name}: make debian, or apt install poppler-utils")
