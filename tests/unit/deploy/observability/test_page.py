"""`make dashboards` finds the demo by the ports it noted, and says so where none runs."""

from pathlib import Path

import pytest

from deploy.local.processes.process import StartFailed
from deploy.observability.monitor import scrape_configuration
from deploy.observability.page import running_services


def test_without_a_demo_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="make demo"):
        running_services(tmp_path, "gateway", "library")


def test_with_a_demo_that_has_ended_too(tmp_path: Path) -> None:
    (tmp_path / "ports").mkdir()
    for name in ("gateway", "library"):
        (tmp_path / "ports" / f"{name} operator").write_text("9")
    with pytest.raises(StartFailed, match="make demo"):
        running_services(tmp_path, "gateway", "identity", "library")


def test_each_service_is_scraped_under_a_job_of_its_name() -> None:
    made = scrape_configuration({"library": "http://127.0.0.1:8103"}, "5s")
    assert made["scrape_configs"] == [{"job_name": "library", "static_configs": [{"targets": ["127.0.0.1:8103"]}]}]
