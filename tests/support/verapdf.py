"""veraPDF, the reference validator of PDF/A and PDF/UA, on the runtime that the environment has."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.local.servers.jars import ensure, java

FLAVOURS: Final = ("2a", "ua1")
"""PDF/A-2a (ISO 19005-2) and PDF/UA-1 (ISO 14289-1)."""
_MAIN: Final = "org.verapdf.apps.GreenfieldCliWrapper"


async def failures(pdfs: Mapping[str, bytes], folder: Path) -> dict[str, str]:
    """Those that break a standard, with what veraPDF says. All in one run of each flavour; `folder` gets the files."""
    files = {name: folder / f"{name}.pdf" for name in pdfs}
    for name, file in files.items():
        file.write_bytes(pdfs[name])
    (jar,) = ensure("verapdf")
    said = {flavour: await _run(jar, flavour, list(files.values())) for flavour in FLAVOURS}
    return {
        name: out
        for name, file in files.items()
        for flavour, out in said.items()
        if f"PASS {file} {flavour}" not in out.splitlines()
    }


async def _run(jar: Path, flavour: str, files: list[Path]) -> str:
    command = java(256, "-cp", jar, _MAIN, "-f", flavour, "--format", "text", "-v", *files)
    running = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await running.communicate()
    return out.decode()
