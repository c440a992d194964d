"""`make test-kubernetes`: deploy/kubernetes rendered for both universities, validated, and played.

Rendered by helm, validated with the schemas of Kubernetes and, where they are built, by kube-score and by a real
kube-apiserver (`kubectl apply --dry-run=server`). Then podman plays a
department and the clearance as the chart has them, on servers of deploy/compose, until they are ready.
"""

import argparse
import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

import httpx
import pytest
import yaml

from deploy.local.servers.jars import cache_folder
from schemas.flows import CLEARANCE, SHARED
from services.kit.manifests import discover
from tests.compose.installation import IN_NAMESPACE, in_namespace, needs, prepared, resolve
from tests.compose.stack import Stack
from tests.kubernetes.api_server import UNKNOWN, ApiServer, api_server, is_built
from tests.kubernetes.rendering import (
    FOLDER,
    UNIVERSITIES,
    Document,
    documents,
    helm,
    pods,
    rendered,
    secrets,
    validate,
)
from tests.support.waiting import eventually

PLAYED: Final = ("library", CLEARANCE)
READY_WITHIN_S: Final = 120
IGNORED: Final = "container-image-pull-policy"
"""kube-score's: an image named by its digest need not be pulled again."""


def checked() -> None:
    """Both universities and the servers, without running anything."""
    services = {*discover(), *SHARED}
    for university in UNIVERSITIES:
        helm("lint", FOLDER / "lixiao", "--values", university)
        text = rendered(university)
        found = documents(text)
        unknown = validate(found)
        complete(found, services)
        hardened(found)
        scored(text)
        left_out = ", ".join(f"{count} {kind}" for kind, count in unknown.items())
        print(f"{university.stem}: {len(found)} resources valid; without a schema here: {left_out}")
    for file in sorted((FOLDER / "servers").glob("*.yaml")):
        count = len(documents(file.read_text("utf-8")))
        print(f"{file.name}: {count} resources are YAML; their schemas are the operators'")


def complete(found: list[Document], services: Collection[str]) -> None:
    for kind in ("Deployment", "Service", "PodDisruptionBudget", "ServiceAccount"):
        assert {one["metadata"]["name"] for one in found if one["kind"] == kind} == services, kind
    policies = {one["metadata"]["name"] for one in found if one["kind"] == "NetworkPolicy"}
    assert policies == {*services, "nothing-else", "to-the-servers"}


def hardened(found: list[Document]) -> None:
    for name, pod in pods(found):
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["runAsNonRoot"], name
            assert security["readOnlyRootFilesystem"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert "@sha256:" in container["image"], name


def scored(text: str) -> None:
    """By kube-score, where somebody has built it: `go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0`."""
    program = shutil.which("kube-score", path=f"{cache_folder() / 'deploy-tools' / 'bin'}:/usr/local/bin:/usr/bin")
    if program is None:
        print("kube-score is not here")
        return
    command = [program, "score", "--ignore-test", IGNORED, "--output-format", "ci", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    findings = [line for line in done.stdout.splitlines() if line.startswith(("[CRITICAL]", "[WARNING]"))]
    if findings:
        raise SystemExit("\n".join(findings))
    print("kube-score: no finding")


def admitted() -> None:
    """By a real kube-apiserver, where it is built: `make kube-apiserver`."""
    if not is_built():
        print("kube-apiserver is not here: make kube-apiserver")
        return
    began_s = time.monotonic()
    with api_server() as server, tempfile.TemporaryDirectory(prefix="lixiao-secrets-") as folder:
        made_secrets(Path(folder))
        for university in UNIVERSITIES:
            namespace = f"lixiao-{university.stem}"
            server.kubectl("create", "namespace", namespace)
            found = documents(rendered(university)) + documents(secrets(Path(folder), namespace))
            for file in sorted((FOLDER / "servers").glob("*.yaml")):
                found += documents(file.read_text("utf-8"))
            known = [one for one in found if one["apiVersion"].partition("/")[0] not in UNKNOWN]
            lines = server.admitted(namespace, yaml.safe_dump_all(known, allow_unicode=True))
            assert len(lines) == len(known), lines
            left_out = len(found) - len(known)
            print(f"{university.stem}: kube-apiserver admits {len(lines)} resources; {left_out} of Strimzi not asked")
        refuses_a_mistake(server, documents(rendered(UNIVERSITIES[0])))
    print(f"kube-apiserver: {time.monotonic() - began_s:.0f} s")


def made_secrets(folder: Path) -> None:
    """As docs/deploying.md makes them."""
    command = [sys.executable, "-m", "services.kit.provisioning", "secrets", "--folder", str(folder)]
    command += ["--postgres", "postgres@lixiao-postgres-rw:5432", "--server", "kafka=lixiao-kafka-bootstrap"]
    subprocess.run([*command, "--server", "postgres=lixiao-postgres-rw"], check=True, stdout=subprocess.DEVNULL)


def refuses_a_mistake(server: ApiServer, found: list[Document]) -> None:
    """Or it would admit anything."""
    deployment = next(one for one in found if one["kind"] == "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replicaz": 2}}
    with pytest.raises(SystemExit, match="replicaz"):
        server.admitted("default", yaml.safe_dump(wrong))


def played(image: str, folder: Path) -> None:
    began_s = time.monotonic()
    with prepared(image, folder) as stack:
        stack.up("migrate")
        stack.ended("migrate")
        wanted = to_play(image, stack.secrets)
        manifests = folder / "played.yaml"
        manifests.write_text(yaml.safe_dump_all(wanted, allow_unicode=True), "utf-8")
        play = ["podman", "kube", "play", "--network", f"{stack.project}_inside", str(manifests)]
        try:
            subprocess.run(play, check=True, stdout=subprocess.DEVNULL)
            asyncio.run(all_ready(stack))
        except BaseException:
            for name in PLAYED:
                subprocess.run(["podman", "logs", "--tail", "30", f"{name}-pod-0-{name}"], check=False)
            raise
        finally:
            remove(wanted, manifests)
    print(f"{', '.join(PLAYED)} of the chart ready, played by podman; {time.monotonic() - began_s:.0f} s")


def to_play(image: str, secrets_folder: Path) -> list[Document]:
    """The chart's Deployments; the image by its name, as nothing here has a digest.

    Secrets are the folders that `secrets.sh` makes them of: podman 4.3 writes their `data` into files without decoding
    it, and nothing of `stringData`.
    """
    scram = next(one for one in UNIVERSITIES if "scram" in one.read_text("utf-8"))
    chart = documents(rendered(scram))
    found = [one for one in chart if one["kind"] in ("Deployment", "PersistentVolumeClaim")]
    wanted = [one for one in documents(secrets(secrets_folder, "default")) if one["kind"] == "ConfigMap"]
    wanted += [one for one in found if one["metadata"]["name"] in (*PLAYED, "keys")]
    for one in wanted:
        if one["kind"] == "Deployment":
            one["spec"]["replicas"] = 1
    for _, pod in pods(wanted):
        for container in pod["containers"]:
            container["image"] = image
            # Podman would publish each port on this machine, and ask probes by a program that the image does not have.
            for left_out in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
                del container[left_out]
        for volume in pod["volumes"]:
            if "secret" in volume:
                folder = secrets_folder / volume.pop("secret")["secretName"]
                volume["hostPath"] = {"path": str(folder), "type": "Directory"}
            if "configMap" in volume:
                volume["configMap"]["optional"] = False  # podman 4.3 ends where this is left out
    return wanted


def remove(wanted: list[Document], manifests: Path) -> None:
    """With what podman keeps: volumes of these names."""
    down = ["podman", "kube", "down", str(manifests)]
    volumes = [one["metadata"]["name"] for one in wanted if one["kind"] != "Deployment"]
    for command in (down, ["podman", "volume", "rm", "--force", *volumes]):
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def all_ready(stack: Stack) -> None:
    """By the address that the chart's own probes ask."""
    authority = ssl.create_default_context(cafile=stack.secrets / "proxy" / "authority.pem")
    resolve({name: stack.address_of(infra(f"{name}-pod-0")) for name in PLAYED})
    async with httpx.AsyncClient(verify=authority, timeout=10) as client:
        for name in PLAYED:

            async def ready(name: str = name) -> bool:
                try:
                    return (await client.get(f"https://{name}:8080/health/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(ready, what=f"{name} to be ready", timeout_s=READY_WITHIN_S, poll_s=0.5)


def infra(pod: str) -> str:
    """The container that has the pod's address."""
    found = subprocess.run(["podman", "pod", "inspect", pod], capture_output=True, text=True, check=True)
    return str(json.loads(found.stdout)["InfraContainerID"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes", description=__doc__)
    parser.add_argument("image", nargs="?", default="localhost/lixiao", help="(%(default)s)")
    parser.add_argument("--only-check", action="store_true", help="run nothing")
    arguments = parser.parse_args()
    if IN_NAMESPACE not in os.environ:
        checked()
        admitted()
    if arguments.only_check:
        return
    needs(arguments.image)
    in_namespace("tests.kubernetes")
    with tempfile.TemporaryDirectory(prefix="lixiao-kubernetes-") as folder:
        played(arguments.image, Path(folder))


if __name__ == "__main__":
    main()
