"""Identity providers of universities as processes of this machine, unpacked once beside the jars."""

import zipfile
from pathlib import Path
from typing import Final

from deploy.local.servers import jars

START_TIMEOUT_S: Final = 400
"""Half a minute on a quiet machine."""


def unpacked(server: str) -> Path:
    """The folder of its program. Raises StartFailed."""
    (archive,) = jars.ensure(server)
    folder = jars.cache_folder() / "unpacked" / archive.name.rpartition("-")[2]
    folder = folder.with_name(f"{server}-{folder.stem}")
    if not folder.exists():
        fresh = folder.with_suffix(".new")
        with zipfile.ZipFile(archive) as file:
            file.extractall(fresh)
        fresh.rename(folder)
    return folder
