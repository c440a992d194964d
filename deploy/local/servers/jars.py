"""The jars of Kafka and Zipkin, fetched once, as the committed lock file has them.

`jgo.lock.toml` has coordinates and sha256; no POM is read, a jar with another digest is refused. To raise a version,
change it here and run `python -m deploy.local.servers.jars`, which rewrites the lock file.
"""

import hashlib
import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from jgo.env import EnvironmentBuilder, LockedDependency, LockFile
from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from deploy.local.processes.process import StartFailed

LOCK_FILE = Path(__file__).with_name("jgo.lock.toml")
KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.apache.kafka:kafka-tools:4.3.1+org.slf4j:slf4j-simple:1.7.36"
ZIPKIN = ("io.zipkin", "zipkin-server", "3.6.1", "exec")
SIZES_MB = {"kafka": 56, "zipkin": 135}

DOWNLOADS_AT_ONCE = 6
TRIES = 3


class JarsMissing(StartFailed):
    """The text names the jar, the cause and the remedy."""


def cache_folder(state: Path) -> Path:
    """`LIXIAO_CACHE`, else `cache` in the state folder; checkouts may share one."""
    return Path(os.environ.get("LIXIAO_CACHE") or state / "cache").expanduser().absolute()


def locked(server: str) -> list[LockedDependency]:
    """The lock file's entries for `kafka` or `zipkin`."""
    every = LockFile.load(LOCK_FILE).dependencies
    return [one for one in every if (one.groupId == ZIPKIN[0]) == (server == "zipkin")]


def missing(server: str, cache: Path) -> list[LockedDependency]:
    return [one for one in locked(server) if not jar_path(one, cache).exists()]


def jar_path(one: LockedDependency, cache: Path) -> Path:
    """It exists only once the digest was checked."""
    return cache / "jars" / (one.sha256 or "")[:16] / file_name(one)


def file_name(one: LockedDependency) -> str:
    classifier = f"-{one.classifier}" if one.classifier else ""
    return f"{one.artifactId}-{one.version}{classifier}.{one.packaging}"


def ensure(server: str, cache: Path, console: Console | None = None) -> list[Path]:
    """Fetches what is missing for `kafka` or `zipkin`. Raises JarsMissing."""
    wanted = missing(server, cache)
    if wanted:
        console = console or Console(stderr=True, soft_wrap=True)
        console.print(f"Fetching {server}: {len(wanted)} jars, about {SIZES_MB[server]} MB, once, into {cache}")
        trust_system_certificates()
        try:
            _fetch(wanted, cache, console)
        finally:
            shutil.rmtree(_scratch(cache), ignore_errors=True)
    return [jar_path(one, cache) for one in locked(server)]


def trust_system_certificates() -> None:
    """They include the authority of an institution's proxy."""
    paths = ssl.get_default_verify_paths()
    if (found := paths.cafile or paths.capath) and not os.environ.get("CURL_CA_BUNDLE"):
        os.environ.setdefault("REQUESTS_CA_BUNDLE", found)


def _fetch(wanted: list[LockedDependency], cache: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress, ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        bar = progress.add_task(f"{len(wanted)} jars", total=None)
        running = [pool.submit(_fetch_one, one, cache, partial(progress.advance, bar)) for one in wanted]
        try:
            for number, finished in enumerate(as_completed(running), start=1):
                finished.result()
                progress.update(bar, description=f"{number} of {len(wanted)} jars")
                if not console.is_terminal and number % 25 == 0:
                    console.print(f"  {number} of {len(wanted)} jars")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(one: LockedDependency, cache: Path, advance: Callable[[int], None]) -> None:
    """Into a folder of this process; moved into place in one step, once checked."""
    target, scratch = jar_path(one, cache), _scratch(cache)
    for attempt in range(1, TRIES + 1):
        try:
            artifact = _context(scratch, advance).project(one.groupId, one.artifactId).at_version(one.version)
            found = artifact.artifact(one.classifier or "", one.packaging).resolve()
            if sha256_of(found) != one.sha256:
                raise JarsMissing(f"{file_name(one)} differs from {LOCK_FILE.name}: refused. Fetch again.")
            target.parent.mkdir(parents=True, exist_ok=True)
            found.replace(target)
            return
        except Exception as error:
            # The resolver would take a partial download for the whole jar.
            for partial_file in scratch.rglob(file_name(one)):
                partial_file.unlink(missing_ok=True)
            if attempt == TRIES:
                raise JarsMissing(
                    f"{file_name(one)} could not be fetched ({type(error).__name__}: {error}). Check the network, set "
                    f"LIXIAO_MAVEN to a mirror of Maven Central, or use a running server: LIXIAO_KAFKA=host:port."
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


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relock(scratch: Path) -> None:
    trust_system_certificates()
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
