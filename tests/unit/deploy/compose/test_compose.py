"""`deploy/compose/compose.yaml` has every service of the installation, and starts none in a way another is not."""

import re
from typing import Any, Final

import pytest
import yaml

from schemas.flows import CLEARANCE, GATEWAY, NOTICES, SHARED
from services.clearance.settings import ClearanceSettings
from services.gateway.settings import GatewaySettings
from services.kit.manifests import discover
from services.kit.settings import Settings
from services.notices.settings import NoticeSettings
from tests.support.paths import ROOT

FOLDER: Final = ROOT / "deploy" / "compose"
FILE: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
ALL: Final[dict[str, Any]] = FILE["services"]
OURS: Final = (*discover(), *SHARED)
SETTINGS: Final[dict[str, type[Settings]]] = {
    CLEARANCE: ClearanceSettings,
    GATEWAY: GatewaySettings,
    NOTICES: NoticeSettings,
}


@pytest.mark.parametrize("name", OURS)
def test_each_service_runs_as_itself_after_the_migrations_with_its_own_secrets(name: str) -> None:
    one = ALL[name]
    assert one["command"] == [name]
    assert one["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert f"./secrets/{name}:/secrets:ro" in one["volumes"]
    assert one["environment"]["LIXIAO_KAFKA_SASL_USERNAME"] == f"lixiao.{name}"
    assert one["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OURS)
def test_each_variable_of_a_service_is_a_setting_that_it_reads(name: str) -> None:
    fields = SETTINGS.get(name, Settings).model_fields
    variables = {key.removeprefix("LIXIAO_").lower() for key in ALL[name]["environment"] if key.startswith("LIXIAO_")}
    assert variables - {"secrets_folder"} <= fields.keys()


@pytest.mark.parametrize("name", [name for name in ALL if name != "prepare"])
def test_nothing_has_more_rights_or_memory_than_it_needs(name: str) -> None:
    one = ALL[name]
    assert one["user"] == "65532:65532"
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["mem_limit"]
    assert one["read_only"] is (name != "keycloak")
    assert set(one.get("cap_add", ())) <= {"NET_BIND_SERVICE"}


def test_only_the_proxy_is_reached_from_beyond_the_machine() -> None:
    published = {name: one["ports"] for name, one in ALL.items() if "ports" in one}
    beyond = {name for name, ports in published.items() if any(not port.startswith("127.0.0.1:") for port in ports)}
    assert beyond == {"proxy"}
    assert FILE["networks"]["inside"]["internal"] is True
    outside = {name for name, one in ALL.items() if "outside" in one.get("networks", ())}
    assert outside == {"gateway", "notices"}
    assert {name for name, one in ALL.items() if "door" in one.get("networks", ())} == set(published)


def test_the_gateway_believes_the_proxy_whose_network_is_named() -> None:
    (config,) = FILE["networks"]["inside"]["ipam"]["config"]
    assert ALL[GATEWAY]["environment"]["LIXIAO_TRUSTED_PROXIES"] == config["subnet"]
    assert set(ALL[GATEWAY]["networks"]) & set(ALL["proxy"]["networks"]) == {"inside"}, "else it may come by another"


def test_prometheus_scrapes_every_service() -> None:
    scraped = yaml.safe_load((FOLDER / "servers" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    targets = [target for job in scraped for group in job["static_configs"] for target in group["targets"]]
    assert sorted(targets) == sorted(f"{name}:9090" for name in OURS)


def test_every_variable_it_asks_for_is_in_the_example() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+):\?\}", (FOLDER / "compose.yaml").read_text("utf-8")))
    given = set(re.findall(r"^([A-Z_]+)=", (FOLDER / "example.env").read_text("utf-8"), re.MULTILINE))
    assert asked <= given


def test_every_file_it_mounts_exists() -> None:
    mounted = {volume.split(":")[0] for one in ALL.values() for volume in one.get("volumes", ())}
    for path in mounted:
        if not path.startswith(("./secrets", "./data")):
            assert (FOLDER / path).exists(), path
