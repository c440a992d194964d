"""An earlier version of the project from the repository's history, unpacked beside this one."""

import hashlib
import io
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

CACHE: Final = ROOT / ".lixiao" / "cache" / "versions"
LOCK: Final = "requirements.lock"
MIGRATIONS: Final = ("services/clearance/migrations", "services/gateway/migrations", "services/kit/migrations")
"""Of each kind of service."""


@dataclass(frozen=True)
class OlderVersion:
    """`python` has the packages of its lock."""

    revision: str
    subject: str
    root: Path
    python: Path


def older_version(revision: str = "") -> OlderVersion:
    """`revision`: as git names it, by default the newest release, else what `before_newest_migrations` finds."""
    commit = _git("rev-parse", "--verify", f"{revision or newest_release() or before_newest_migrations()}^{{commit}}")
    root = CACHE / commit[:12]
    if not root.exists():
        _unpack(commit, root)
    return OlderVersion(commit, _git("log", "-1", "--format=%s", commit), root, _python(root))


def newest_release() -> str:
    """The newest tag before this commit, empty without one."""
    return _git("tag", "--merged", "HEAD^", "--sort=-creatordate").partition("\n")[0]


def before_newest_migrations() -> str:
    """The newest commit from which every kind of service has a migration to go."""
    commits = [_git("log", "-1", "--diff-filter=A", "--format=%H", "HEAD", "--", folder) for folder in MIGRATIONS]
    return f"{_git('merge-base', '--octopus', *commits)}^"


def _unpack(commit: str, root: Path) -> None:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    partial = root.with_suffix(".partial")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(partial, filter="data")
    partial.replace(root)


def _python(root: Path) -> Path:
    lock = (root / LOCK).read_bytes()
    if lock == (ROOT / LOCK).read_bytes():
        return Path(sys.executable)
    venv = CACHE / f"venv-{hashlib.sha256(lock).hexdigest()[:12]}"
    stamp = venv / ".installed"
    if not stamp.exists():
        subprocess.run(["sh", "deploy/local/install.sh", sys.executable, str(venv)], cwd=root, check=True)
        stamp.touch()
    return venv / "bin" / "python"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()
