"""Sources from folders of TOML files: those that come with a department, and the university's own."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from services.kit.imports.files.columns import Columns
from services.kit.imports.sources.manifest import SourceManifest
from services.kit.imports.sources.source import Source, WrongSource

FOLDER: Final = "sources"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")


def load_sources(
    folders: Iterable[Path | None], row: type[BaseModel], headings: Mapping[str, str]
) -> dict[str, Source]:
    """Name → source, of `<folder>/<name>.toml`; a later folder replaces one of the same name.

    A folder that is missing has none. Raises `WrongSource`, which names the file and everything that is wrong with it.
    """
    columns = Columns(row, headings)
    found: dict[str, Source] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")) if folder is not None else ():
            try:
                found[path.stem] = _load(path, row, columns)
            except (ValueError, OSError) as error:
                raise WrongSource(f"{path}: {_why(error)}") from None
    return found


def _load(path: Path, row: type[BaseModel], columns: Columns) -> Source:
    if not _NAME.fullmatch(path.stem):
        raise WrongSource("a source is named by small letters, digits and hyphens")
    manifest = SourceManifest.model_validate(tomllib.loads(path.read_text("utf-8")))
    return Source(path.stem, manifest, row, columns)


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return str(error)
