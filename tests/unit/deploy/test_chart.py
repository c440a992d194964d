"""The chart's ingress lets through what the gateway takes. `make test-kubernetes` renders and plays the rest."""

from typing import Any, Final

import yaml

from services.gateway.staff.desk.desk_imports import UPLOAD_TIMEOUT_S
from services.kit.imports.requests import MAX_BODY_BYTES
from tests.support.paths import ROOT

VALUES: Final[dict[str, Any]] = yaml.safe_load((ROOT / "deploy/kubernetes/lixiao/values.yaml").read_text("utf-8"))
_OF_NGINX: Final = "nginx.ingress.kubernetes.io/"


def test_a_file_of_the_greatest_size_comes_through_and_is_waited_for() -> None:
    annotations = VALUES["ingress"]["annotations"]
    size = annotations[f"{_OF_NGINX}proxy-body-size"]
    assert size.endswith("m")
    assert int(size[:-1]) * 1024 * 1024 >= MAX_BODY_BYTES
    assert float(annotations[f"{_OF_NGINX}proxy-read-timeout"]) > UPLOAD_TIMEOUT_S
