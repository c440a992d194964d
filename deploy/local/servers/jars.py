"""The jars of Kafka and Zipkin, as the committed lock file has them.

A jar with another sha256 than in `jgo.lock.toml` is refused. To raise a version, change it here and run `python -m
deploy.local.servers.jars`, which rewrites the lock file.
"""

import hashlib
import os
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import httpx
from jgo.env import EnvironmentBuilder, LockedDependency, LockFile
from jgo.maven import MavenContext, PythonResolver
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from deploy.local.processes.process import StartFailed

LOCK_FILE = Path(__file__).with_name("jgo.lock.toml")
KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.apache.kafka:kafka-tools:4.3.1+org.slf4j:slf4j-simple:1.7.36"
ZIPKIN = ("io.zipkin", "zipkin-server", "3.6.1", "exec")
SIZES_MB = {"kafka": 56, "zipkin": 135}

MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
DOWNLOADS_AT_ONCE = 6
TRIES = 3
TIMEOUT_S = 60


class JarsMissing(StartFailed):
    """The text names the jar, the cause and the remedy."""


def cache_folder(state: Path) -> Path:
    """`LIXIAO_CACHE`, else in the state folder."""
    return Path(os.environ.get("LIXIAO_CACHE") or state / "cache").expanduser().absolute()


def locked(server: str) -> list[LockedDependency]:
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
    """Raises JarsMissing."""
    if wanted := missing(server, cache):
        console = console or Console(stderr=True, soft_wrap=True)
        console.print(f"Fetching {server}: {len(wanted)} jars, about {SIZES_MB[server]} MB, once, into {cache}")
        _fetch(wanted, cache, console)
    return [jar_path(one, cache) for one in locked(server)]


def _fetch(wanted: list[LockedDependency], cache: Path, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    # The system's certificates, which include the authority of an institution's proxy.
    repository = httpx.Client(
        base_url=os.environ.get("LIXIAO_MAVEN") or MAVEN_CENTRAL,
        verify=ssl.create_default_context(),
        timeout=TIMEOUT_S,
        follow_redirects=True,
    )
    bars = Progress(*columns, console=console, transient=True)
    with bars as progress, repository, ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        bar = progress.add_task(f"{len(wanted)} jars", total=None)
        running = [pool.submit(_fetch_one, one, cache, repository, partial(progress.advance, bar)) for one in wanted]
        try:
            for number, finished in enumerate(as_completed(running), start=1):
                finished.result()
                progress.update(bar, description=f"{number} of {len(wanted)} jars")
                if not console.is_terminal and number % 25 == 0:
                    console.print(f"  {number} of {len(wanted)} jars")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(one: LockedDependency, cache: Path, repository: httpx.Client, advance: Callable[[int], None]) -> None:
    """Moved into place in one step, once checked."""
    target = jar_path(one, cache)
    partial_file = target.with_suffix(f".{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, TRIES + 1):
        try:
            address = f"{one.groupId.replace('.', '/')}/{one.artifactId}/{one.version}/{file_name(one)}"
            with repository.stream("GET", address) as answer, partial_file.open("wb") as file:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    file.write(chunk)
                    advance(len(chunk))
            if sha256_of(partial_file) != one.sha256:
                raise JarsMissing(f"{file_name(one)} differs from {LOCK_FILE.name}: refused. Fetch again.")
            partial_file.replace(target)
            return
        except (httpx.HTTPError, OSError) as error:
            if attempt == TRIES:
                raise JarsMissing(
                    f"{file_name(one)} could not be fetched ({type(error).__name__}: {error}). Check the network, set "
                    f"LIXIAO_MAVEN to a mirror of Maven Central, or use a running server: LIXIAO_KAFKA=host:port."
                ) from error
        finally:
            partial_file.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relock(scratch: Path) -> None:
    # jgo's client would trust its own list only.
    if found := ssl.get_default_verify_paths().cafile:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", found)
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
