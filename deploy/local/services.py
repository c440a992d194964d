"""The service processes of one installation on this machine: which they are, where they listen, what they are told.

Departments are found, never listed: a folder with a `department.toml` is one more process.
"""

import json
import os
import sys
import tomllib
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.credentials import Accounts
from deploy.local.processes.ports import LOOPBACK, free_port
from deploy.local.processes.process import Process
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.names import CERTIFICATE_DESK, OPERATOR, ROSTER, desk_role

ROOT: Final = Path(__file__).parents[2]
UNIVERSITY: Final = ROOT / "config" / "universities" / "cumt"
IDENTITY: Final = "identity"
CLIENT_ID: Final = "lixiao-gateway"
OURS: Final = "LIXIAO_"
PASSED_ON: Final = ("LIXIAO_LOG_LEVEL", "LIXIAO_SERVICES_FOLDER")
"""Variables of ours that the services hear of as they are; the rest is said to each by this module."""
PROBE_TIMEOUT_S: Final = 4


@dataclass(frozen=True)
class Servers:
    """What the services stand on. `databases` is what provisioning gave: service → its variables."""

    kafka: str
    zipkin: str
    databases: Mapping[str, Mapping[str, str]]
    namespace: str


@dataclass(frozen=True)
class Service:
    """One process of ours."""

    name: str
    module: str
    port: int
    environment: Mapping[str, str]
    ready_path: str = "/health/ready"

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def process(self, logs: Path) -> Process:
        """The process, not yet started; its log is `<logs>/<name>.log`."""
        command = [sys.executable, "-m", self.module]
        return Process(self.name, command, log=logs / f"{self.name}.log", cwd=ROOT, env=self.environment)

    def is_ready(self) -> bool:
        """Whether it says that every part of it answers."""
        try:
            with urllib.request.urlopen(f"{self.address}{self.ready_path}", timeout=PROBE_TIMEOUT_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class ServiceProcesses:
    """All services: departments in the order of the page, the clearance, the identity provider, the gateway."""

    def __init__(self, departments: Iterable[str], ports: Mapping[str, int], accounts: Accounts) -> None:
        self.departments = tuple(departments)
        self.ports = ports
        self.accounts = accounts

    def address(self, name: str) -> str:
        """`http://host:port` of a service."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    def services(self, servers: Servers, people: Path, university: Path) -> list[Service]:
        """Every service with its environment. `people` is the file of who can sign in, `university` its folder."""
        common = _environment(servers)
        return [
            *(self._department(name, common, servers) for name in self.departments),
            self._clearance(common, servers, university),
            self._identity(people, university),
            self._gateway(common, servers, university),
        ]

    def _department(self, name: str, common: dict[str, str], servers: Servers) -> Service:
        accounts = {name: desk_role(name), OPERATOR: OPERATOR}
        return self._service(name, common | self._own(name, servers, accounts))

    def _clearance(self, common: dict[str, str], servers: Servers, university: Path) -> Service:
        accounts = {account: account for account in (ROSTER, OPERATOR, CERTIFICATE_DESK)}
        told = {"LIXIAO_UNIVERSITY": str(university), "LIXIAO_KEYS": str(self.accounts.folder / "keys")}
        return self._service(CLEARANCE, common | self._own(CLEARANCE, servers, accounts) | told)

    def _gateway(self, common: dict[str, str], servers: Servers, university: Path) -> Service:
        accounts = {account: account for account in (OPERATOR, CERTIFICATE_DESK)}
        told = {
            "LIXIAO_UNIVERSITY": str(university),
            "LIXIAO_PUBLIC_URL": self.address(GATEWAY),
            "LIXIAO_OPENID_ISSUER": self.address(IDENTITY),
            "LIXIAO_OPENID_CLIENT_ID": CLIENT_ID,
            "LIXIAO_OPENID_CLIENT_SECRET": self.accounts.client_secret(),
        }
        return self._service(GATEWAY, common | self._own(GATEWAY, servers, accounts) | told)

    def _identity(self, people: Path, university: Path) -> Service:
        name = tomllib.loads((university / "university.toml").read_text("utf-8"))["name"]
        client = {
            "client_id": CLIENT_ID,
            "client_secret": self.accounts.client_secret(),
            "redirect_uris": [f"{self.address(GATEWAY)}/sign-in/callback"],
            "post_logout_redirect_uris": [f"{self.address(GATEWAY)}/signed-out", f"{self.address(GATEWAY)}/"],
        }
        told = {
            "LIXIAO_IDENTITY_PORT": str(self.ports[IDENTITY]),
            "LIXIAO_IDENTITY_ISSUER": self.address(IDENTITY),
            "LIXIAO_IDENTITY_PEOPLE": str(people),
            "LIXIAO_IDENTITY_CLIENTS": json.dumps([client]),
            "LIXIAO_IDENTITY_UNIVERSITY_ZH": name["zh"],
            "LIXIAO_IDENTITY_UNIVERSITY_EN": name["en"],
        }
        environment = _clean(os.environ) | told
        return Service(IDENTITY, "deploy.local.identity", self.ports[IDENTITY], environment, "/health/live")

    def _own(self, name: str, servers: Servers, accounts: Mapping[str, str]) -> dict[str, str]:
        return {
            **servers.databases[name],
            "LIXIAO_HTTP_PORT": str(self.ports[name]),
            "LIXIAO_CREDENTIALS": str(self.accounts.credentials(name, accounts)),
        }

    def _service(self, name: str, environment: Mapping[str, str]) -> Service:
        return Service(name, f"services.{name}", self.ports[name], environment)


def choose_ports(names: Iterable[str], first: int, notes: Path) -> dict[str, int]:
    """A port for each name, counted up from `first`; around taken ones, and then the same from run to run.

    With `first` 0 every port is the kernel's choice, kept in `notes`.
    """
    notes.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, int] = {}
    for place, name in enumerate(names):
        note = notes / name
        noted = int(note.read_text()) if note.exists() else 0
        preferred = [port for port in (first + place if first else 0, noted) if port not in chosen.values()]
        chosen[name] = free_port(*preferred)
        note.write_text(str(chosen[name]))
    return chosen


def _environment(servers: Servers) -> dict[str, str]:
    """What every service of ours is told. The caller's own OTEL_… win, so that another collector can be named."""
    traces = {
        "OTEL_TRACES_EXPORTER": "zipkin_json",
        "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{servers.zipkin}/api/v2/spans",
    }
    told = {"LIXIAO_KAFKA": servers.kafka, "LIXIAO_NAMESPACE": servers.namespace}
    return traces | _clean(os.environ) | told


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    # LIXIAO_POSTGRES among them is a superuser's: no service is to have it.
    kept = {key: value for key, value in environment.items() if not key.startswith(OURS) or key in PASSED_ON}
    # Threads of a small service do not each need a heap of their own.
    return {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"} | kept
