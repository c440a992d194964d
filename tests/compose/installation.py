"""The installation of `deploy/compose` on servers' images that are made here, in a network namespace of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from deploy.local import pdf_certificate
from deploy.local.identity.people import Person
from deploy.local.installation import new_student_id
from deploy.local.services import CLIENT_ID
from tests.compose.images import build_servers
from tests.compose.stack import Stack
from tests.support.paths import ROOT

PUBLIC_HOST: Final = "lixiao.test"
SIGN_IN_HOST: Final = "sign-in.lixiao.test"
OVERRIDE: Final = ROOT / "tests" / "compose" / "override.yaml"
IN_NAMESPACE: Final = "LIXIAO_TEST_NAMESPACE"


@contextmanager
def prepared(image: str, folder: Path) -> Iterator[Stack]:
    """With its secrets, before anything is up. One student can sign in."""
    compose = folder / "compose"
    shutil.copytree(ROOT / "deploy" / "compose", compose)
    shutil.copytree(ROOT / "deploy" / "observability", folder / "observability")
    for made in ("secrets", "data"):
        (compose / made).mkdir()
    person = Person(sub="u-1", name="甲某", student_id=new_student_id())
    (compose / "people.json").write_text(json.dumps([person.model_dump()], ensure_ascii=False))
    variables = {
        "LIXIAO_IMAGE": image,
        **dict.fromkeys(
            (f"{name}_IMAGE" for name in ("POSTGRES", "KAFKA", "CADDY", "PROMETHEUS", "ZIPKIN")), build_servers()
        ),
        "PUBLIC_HOST": PUBLIC_HOST,
        "SIGN_IN_HOST": SIGN_IN_HOST,
        "OPENID_ISSUER": f"https://{SIGN_IN_HOST}",
        "PDF_CERTIFICATE": "/secrets/pdf-certificate.pem",
        "PDF_KEY": "/secrets/pdf-key.pem",
        "SOURCES": str(ROOT),
        "IDENTITY_CLIENTS": "[]",
    }
    files = ("--env-file", "example.env", "--file", "compose.yaml", "--file", str(OVERRIDE))
    with Stack(compose, f"lixiao-{uuid4().hex[:6]}", variables, *files, "--profile", "keycloak") as stack:
        stack.person = person
        stack.compose("run", "--rm", "prepare")
        chain, key = pdf_certificate.made()
        for name, pem in (("certificate", chain), ("key", key)):
            (stack.secrets / "gateway" / f"pdf-{name}.pem").write_bytes(pem)
        secret = (stack.secrets / "gateway" / "openid-client-secret").read_text()
        callback = f"https://{PUBLIC_HOST}/sign-in/callback"
        client = {"client_id": CLIENT_ID, "client_secret": secret, "redirect_uris": [callback]}
        stack.configure(IDENTITY_CLIENTS=json.dumps([client]))
        yield stack


def needs(image: str) -> None:
    """Ends the program where something is missing."""
    for program in ("podman", "buildah", "mmdebstrap"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is not installed")
    if subprocess.run(["podman", "image", "exists", image], check=False).returncode:
        sys.exit(f"there is no image {image}: make image BASE=…")


def resolve(hosts: Mapping[str, str]) -> None:
    """These names in this process."""
    original = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return original(hosts.get(name, host), *arguments, **more)

    socket.getaddrinfo = getaddrinfo


def in_namespace(module: str) -> None:
    """The program again and its end, in a network namespace: every port is free there."""
    if IN_NAMESPACE in os.environ:
        return
    name = f"lixiao-{uuid4().hex[:6]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        # Not by `ip netns exec`, which hides the cgroups.
        again = ["nsenter", f"--net=/run/netns/{name}", sys.executable, "-m", module, *sys.argv[1:]]
        sys.exit(subprocess.run(again, env={**os.environ, IN_NAMESPACE: name}, check=False).returncode)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
