"""The jars of the parts written in Java: fetched once, exactly as the committed lock file names them.

`jgo.lock.toml` is the resolver's own lock file: coordinates and sha256, no address of any server. Installing from it
reads no POM, so it is fast, it cannot change under us, and a jar whose sum differs is refused. `python -m
deploy.local.servers.jars` resolves again and rewrites the lock file, which is how a version is raised.
"""

import hashlib
import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from jgo.env import EnvironmentBuilder, LockedDependency, LockFile
from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

LOCK_FILE = Path(__file__).with_name("jgo.lock.toml")
KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.apache.kafka:kafka-tools:4.3.1+org.slf4j:slf4j-simple:1.7.36"
ZIPKIN = ("io.zipkin", "zipkin-server", "3.6.1", "exec")
SIZES_MB = {"kafka": 56, "zipkin": 135}
"""What a first fetch brings to the machine, for the line that announces it."""

DOWNLOADS_AT_ONCE = 6
TRIES = 3


class JarsMissing(RuntimeError):
    """A jar could not be had: the text says which, why, and what to do."""


def cache_folder(state: Path) -> Path:
    """Where jars are kept: `LIXIAO_CACHE` if set, else `cache` in the state folder. Safe to share between checkouts."""
    return Path(os.environ.get("LIXIAO_CACHE") or state / "cache").expanduser().absolute()


def locked(part: str) -> list[LockedDependency]:
    """What the lock file names for `kafka` or `zipkin`."""
    every = LockFile.load(LOCK_FILE).dependencies
    return [one for one in every if (one.groupId == ZIPKIN[0]) == (part == "zipkin")]


def missing(part: str, cache: Path) -> list[LockedDependency]:
    """The locked jars of a part that the cache does not hold yet."""
    return [one for one in locked(part) if not jar_path(one, cache).exists()]


def jar_path(one: LockedDependency, cache: Path) -> Path:
    """Where a locked jar lies in the cache once it is fetched and its sum was checked."""
    return cache / "jars" / (one.sha256 or "")[:16] / file_name(one)


def file_name(one: LockedDependency) -> str:
    """The jar's file name as its publisher spells it."""
    classifier = f"-{one.classifier}" if one.classifier else ""
    return f"{one.artifactId}-{one.version}{classifier}.{one.packaging}"


def ensure(part: str, cache: Path, console: Console | None = None) -> list[Path]:
    """Paths of all jars of a part, fetching those that are not there. Raises JarsMissing."""
    wanted = missing(part, cache)
    if wanted:
        console = console or Console(stderr=True, soft_wrap=True)
        console.print(f"Fetching {part}: {len(wanted)} jars, about {SIZES_MB[part]} MB, once, into {cache}")
        trust_the_systems_authorities()
        try:
            _fetch(wanted, cache, console)
        finally:
            shutil.rmtree(_scratch(cache), ignore_errors=True)
    return [jar_path(one, cache) for one in locked(part)]


def trust_the_systems_authorities() -> None:
    """Let the download trust what the machine trusts: an institution's proxy has its authority there alone."""
    paths = ssl.get_default_verify_paths()
    if (found := paths.cafile or paths.capath) and not os.environ.get("CURL_CA_BUNDLE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", found)


def _fetch(wanted: list[LockedDependency], cache: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        total = progress.add_task(f"{len(wanted)} jars", total=None)
        done_bytes = 0

        def advance(count_bytes: int) -> None:
            nonlocal done_bytes
            done_bytes += count_bytes
            progress.update(total, completed=done_bytes)

        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            running = [pool.submit(_fetch_one, one, cache, advance) for one in wanted]
            try:
                for number, finished in enumerate(as_completed(running), start=1):
                    finished.result()
                    progress.update(total, description=f"{number} of {len(wanted)} jars")
                    if not console.is_terminal and number % 25 == 0:
                        console.print(f"  {number} of {len(wanted)} jars")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _fetch_one(one: LockedDependency, cache: Path, advance: Callable[[int], None]) -> None:
    """Download into a folder of this process, check the sum, then move into place in one step."""
    target = jar_path(one, cache)
    scratch = _scratch(cache)
    for attempt in range(1, TRIES + 1):
        found: Path | None = None
        try:
            artifact = _context(scratch, advance).project(one.groupId, one.artifactId)
            found = artifact.at_version(one.version).artifact(one.classifier or "", one.packaging).resolve()
            if sha256_of(found) != one.sha256:
                raise JarsMissing(f"{file_name(one)} differs from {LOCK_FILE.name}: refused. Fetch again.")
            target.parent.mkdir(parents=True, exist_ok=True)
            found.replace(target)
            return
        except Exception as error:
            _scrub(scratch, one)
            if attempt == TRIES:
                raise JarsMissing(
                    f"{file_name(one)} could not be fetched ({type(error).__name__}: {error}). Check the network, or "
                    f"name a mirror of Maven Central in LIXIAO_MAVEN, or use a running server: LIXIAO_KAFKA=host:port."
                ) from error


def _scratch(cache: Path) -> Path:
    return cache / f"fetching-{os.getpid()}"


def _context(scratch: Path, advance: Callable[[int], None]) -> MavenContext:
    @contextmanager
    def bar(_name: str, _total_bytes: int) -> Iterator[Callable[[int], None]]:
        yield advance

    mirror = os.environ.get("LIXIAO_MAVEN")
    return MavenContext(
        repo_cache=scratch,
        resolver=PythonResolver(progress_callback=bar),
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=60,
    )


def _scrub(scratch: Path, one: LockedDependency) -> None:
    """Remove a half-written download: the resolver would take it for the whole jar."""
    for left in scratch.rglob(file_name(one)):
        left.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The file's sha256 in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relock(scratch: Path) -> None:
    """Resolve Kafka anew from its coordinates, add Zipkin's one jar, and write the lock file."""
    trust_the_systems_authorities()
    builder = EnvironmentBuilder(
        context=MavenContext(repo_cache=scratch / "maven", resolver=PythonResolver(), timeout=60),
        cache_dir=scratch / "environment",
    )
    environment = builder.from_endpoint(KAFKA)
    lock = LockFile.load(environment.lock_path)
    group, artifact, version, classifier = ZIPKIN
    context = builder.context
    jar = context.project(group, artifact).at_version(version).artifact(classifier, "jar").resolve()
    lock.dependencies.append(
        LockedDependency(group, artifact, version, classifier=classifier, sha256=sha256_of(jar)),
    )
    lock.save(LOCK_FILE)


if __name__ == "__main__":
    relock(cache_folder(Path(".lixiao")) / "relock")
