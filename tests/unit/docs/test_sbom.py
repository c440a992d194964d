"""The bill of materials has everything that is locked."""

from importlib.metadata import distribution

from tests.support.paths import ROOT
from tools.sbom import bill

LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def test_every_locked_package_is_in_the_bill_with_version_and_licence() -> None:
    made = bill(LOCK, {"name": "lixiao", "version": "1"})
    components = {component["name"]: component for component in made["components"]}
    locked = [line.partition("==")[0].partition("[")[0] for line in LOCK.splitlines() if "==" in line]
    assert [component["name"] for component in made["components"]] == locked
    assert sum(len(component["properties"]) for component in made["components"]) == LOCK.count("--hash=sha256:")
    uvicorn = components["uvicorn"]
    assert uvicorn["version"] == distribution("uvicorn").version
    assert uvicorn["purl"] == f"pkg:pypi/uvicorn@{uvicorn['version']}"
    assert "BSD" in uvicorn["licenses"][0]["license"]["name"]
    installed = [one for one in components.values() if one.get("licenses")]
    assert len(installed) > 0.9 * len(components)
    assert made["dependencies"][0]["dependsOn"] == [one["bom-ref"] for one in made["components"]]
