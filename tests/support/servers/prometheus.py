"""A Prometheus that reads the services of an installation, with the project's alerts."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.local.http_clients import local_client
from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.processes.process import Process, answers_ok
from deploy.local.servers.jars import cache_folder
from deploy.observability.alerts import ALERTS, Alert, rules
from deploy.observability.monitor import scrape_configuration

_EVERY: Final = "1s"


def program(name: str) -> Path:
    """`prometheus` or `promtool`; where there is none, the test is skipped (which `--ci` turns into a failure)."""
    for root in (Path("/"), cache_folder() / "prometheus"):
        if (found := root / "usr/bin" / name).exists():
            return found
    pytest.skip(f"no {name}: make debian, or apt install prometheus")


def promtool(*arguments: str | Path) -> str:
    """Its output. Fails the test with it."""
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Prometheus:
    """`targets`: addresses of operator ports by job. Stop it.

    `authority`: PEM, with which they are asked over TLS.
    """

    def __init__(
        self, folder: Path, targets: Mapping[str, str], alerts: tuple[Alert, ...] = ALERTS, authority: bytes = b""
    ) -> None:
        self.address = f"http://{LOOPBACK}:{free_port()}"
        (folder / "alerts.yml").write_text(rules(alerts), encoding="utf-8")
        settings = scrape_configuration(targets, _EVERY)
        settings["global"]["evaluation_interval"] = _EVERY
        settings["rule_files"] = ["alerts.yml"]
        if authority:
            (folder / "authority.pem").write_bytes(authority)
            for job in settings["scrape_configs"]:
                job |= {"scheme": "https", "tls_config": {"ca_file": "authority.pem"}}
        configuration = folder / "prometheus.yml"
        configuration.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self._process = Process(
            "Prometheus",
            (
                program("prometheus"),
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={self.address.removeprefix('http://')}",
            ),
            log=folder / "prometheus.log",
            cwd=folder,
            ready=lambda: answers_ok(f"{self.address}/-/ready"),
        )

    def start(self) -> "Prometheus":
        self._process.start()
        self._process.wait_ready()
        return self

    def stop(self) -> None:
        self._process.stop()

    async def series(self, query: str) -> list[dict[str, Any]]:
        """What it answers now: labels and a value each."""
        async with local_client(self.address) as client:
            answer = await client.get("/api/v1/query", params={"query": query})
        found = json.loads(answer.text)
        assert found["status"] == "success", f"{query}: {found}"
        series: list[dict[str, Any]] = found["data"]["result"]
        return series

    async def firing(self) -> set[str]:
        return {one["metric"]["alertname"] for one in await self.series('ALERTS{alertstate="firing"}')}
