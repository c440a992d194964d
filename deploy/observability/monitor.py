"""VictoriaMetrics and vmalert: they read the services' metrics, show the dashboards, and judge by the alerts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.local.processes.ports import LOOPBACK
from deploy.local.processes.process import Process, answers_ok
from deploy.observability.alerts import rules
from deploy.observability.boards import DASHBOARDS
from deploy.observability.vmui import vmui_dashboards

PORTS: Final = ("metrics", "alerts")
_MEMORY: Final = "256MB"
_LAST_HALF_HOUR: Final = "g0.range_input=30m&g0.relative_time=last_30_minutes"


def scrape_configuration(targets: Mapping[str, str], every: str) -> dict[str, Any]:
    """`targets`: address of an operators' port by job, as Prometheus's configuration has them."""
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address.removeprefix("http://")]}]}
            for job, address in targets.items()
        ],
    }


@dataclass(frozen=True)
class Monitor:
    """`targets`: address of an operators' port by service. `ports`: by the names of `PORTS`. `programs`: by name."""

    folder: Path
    programs: Mapping[str, Path]
    ports: Mapping[str, int]
    targets: Mapping[str, str]
    departments: Collection[str]
    every: str = "5s"

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['metrics']}"

    @property
    def dashboards(self) -> str:
        return f"{self.address}/vmui/#/dashboards?{_LAST_HALF_HOUR}"

    @property
    def alerts(self) -> str:
        return f"{self.address}/vmui/#/rules"

    def processes(self) -> tuple[Process, Process]:
        """Not yet started; the second reads from the first. Their files are written into `folder`."""
        boards = [board for board in DASHBOARDS if not board.service or board.service in self.targets]
        (self.folder / "dashboards").mkdir(parents=True, exist_ok=True)
        for name, text in vmui_dashboards(boards, self.departments).items():
            (self.folder / "dashboards" / name).write_text(text, encoding="utf-8")
        (self.folder / "alerts.yml").write_text(rules(), encoding="utf-8")
        settings = yaml.safe_dump(scrape_configuration(self.targets, self.every))
        (self.folder / "scrape.yml").write_text(settings, encoding="utf-8")
        return self._metrics(), self._alerts()

    def _metrics(self) -> Process:
        return self._process(
            "VictoriaMetrics",
            self.programs["victoria-metrics"],
            self.address,
            f"-promscrape.config={self.folder / 'scrape.yml'}",
            f"-vmui.customDashboardsPath={self.folder / 'dashboards'}",
            f"-vmalert.proxyURL={self._alerts_address}",
            f"-storageDataPath={self.folder / 'data'}",
            f"-memory.allowedBytes={_MEMORY}",
            # What was scraped last is shown: by default half a minute is left out.
            "-search.latencyOffset=0s",
        )

    def _alerts(self) -> Process:
        return self._process(
            "vmalert",
            self.programs["vmalert"],
            self._alerts_address,
            f"-rule={self.folder / 'alerts.yml'}",
            f"-datasource.url={self.address}",
            # What fires is a series too, and goes on after a restart.
            f"-remoteWrite.url={self.address}",
            f"-remoteRead.url={self.address}",
            f"-evaluationInterval={self.every}",
            f"-external.url={self.address}",
            "-notifier.blackhole",
        )

    @property
    def _alerts_address(self) -> str:
        return f"http://{LOOPBACK}:{self.ports['alerts']}"

    def _process(self, name: str, program: Path, address: str, *settings: str) -> Process:
        return Process(
            name,
            (program, f"-httpListenAddr={address.removeprefix('http://')}", *settings),
            log=self.folder / f"{name.lower()}.log",
            cwd=self.folder,
            ready=partial(answers_ok, f"{address}/health"),
        )
