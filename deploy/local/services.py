"""An installation's service processes: addresses and environment.

A folder with a `department.toml` is one more process.
"""

import json
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from deploy.local.credentials import Accounts
from deploy.local.pdf_certificate import pdf_certificate
from deploy.local.processes.ports import LOOPBACK
from deploy.local.processes.process import Process, answers_ok
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.kafka.connection import KafkaConnection
from services.kit.names import ROSTER
from services.kit.provisioning.accounts import accounts_of, operating_account, staff_account
from services.kit.provisioning.kafka_users import as_service

ROOT: Final = Path(__file__).parents[2]
UNIVERSITY: Final = ROOT / "config" / "universities" / "cumt"
IDENTITY: Final = "identity"
CLIENT_ID: Final = "lixiao-gateway"
TRACE_QUERY: Final = "annotationQuery=lixiao.subject%3D{key}&lookback=7d&limit=100"
INHERITED: Final = ("LIXIAO_LOG_LEVEL", "LIXIAO_SERVICES_FOLDER", "LIXIAO_SOURCES")
"""Variables of ours taken from the caller; this module sets the others."""


@dataclass(frozen=True)
class Service:
    name: str
    module: str
    port: int
    environment: Mapping[str, str]
    operator_port: int = 0
    ready_path: str = "/health/ready"

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def operator_address(self) -> str:
        return f"http://{LOOPBACK}:{self.operator_port}"

    def process(self, logs: Path, root: Path = ROOT) -> Process:
        """`clearance:2` logs to `<logs>/clearance-2.log`."""
        log = logs / f"{self.name.replace(':', '-')}.log"
        command, probe = [sys.executable, "-m", self.module], partial(answers_ok, f"{self.address}{self.ready_path}")
        return Process(self.name, command, log=log, cwd=root, env=self.environment, ready=probe)


@dataclass(frozen=True)
class ServiceProcesses:
    """`databases`: service → its variables, as provisioning returns them. `kafka`: as superuser. `people`: a file."""

    departments: Sequence[str]
    ports: Mapping[str, int]
    accounts: Accounts
    kafka: KafkaConnection
    zipkin: str
    namespace: str
    databases: Mapping[str, Mapping[str, str]]
    people: Path
    university: Path = UNIVERSITY

    def services(self) -> list[Service]:
        """Departments in the order of the page, clearance, identity provider, gateway, notices."""
        clearance = {"LIXIAO_KEYS": str(self.accounts.folder / "keys")}
        certificate, certificate_key = pdf_certificate(self.accounts.folder)
        gateway = {
            "LIXIAO_PUBLIC_URL": self._address(GATEWAY),
            "LIXIAO_OPENID_ISSUER": self._address(IDENTITY),
            "LIXIAO_OPENID_CLIENT_ID": CLIENT_ID,
            "LIXIAO_OPENID_CLIENT_SECRET": self.accounts.client_secret(),
            "LIXIAO_DESKS": json.dumps({name: self._desk(name) for name in self.departments}),
            "LIXIAO_ROSTER": json.dumps(
                {"address": self._address(CLEARANCE), "token": self.accounts.token(staff_account(ROSTER))}
            ),
            "LIXIAO_OPERATED": json.dumps(
                {name: self._operated(name) for name in (*self.departments, CLEARANCE, GATEWAY)}
            ),
            "LIXIAO_PDF_CERTIFICATE": str(certificate),
            "LIXIAO_PDF_KEY": str(certificate_key),
            "LIXIAO_TRACE_UI": f"{self.zipkin}/zipkin/traces/{{trace_id}}",
            "LIXIAO_TRACE_SEARCH": f"{self.zipkin}/zipkin/?{TRACE_QUERY}",
        }
        return [
            *(self._service(name) for name in self.departments),
            self._service(CLEARANCE, clearance),
            self._identity(),
            self._service(GATEWAY, gateway),
            self._service(NOTICES, {"LIXIAO_PUBLIC_URL": self._address(GATEWAY)}),
        ]

    def _desk(self, department: str) -> dict[str, str]:
        return {"address": self._address(department), "token": self.accounts.token(staff_account(department))}

    def _operated(self, service: str) -> dict[str, str]:
        address = f"http://{LOOPBACK}:{self.ports[operator_port_of(service)]}"
        return {"address": address, "token": self.accounts.token(operating_account(service))}

    def _service(self, name: str, variables: Mapping[str, str] | None = None) -> Service:
        environment = {
            # Before the caller's: an OTEL_… of theirs names another collector.
            "OTEL_TRACES_EXPORTER": "zipkin",
            "OTEL_EXPORTER_ZIPKIN_ENDPOINT": f"{self.zipkin}/api/v2/spans",
            **_inherited(),
            **self._kafka_of(name).variables(),
            "LIXIAO_NAMESPACE": self.namespace,
            **self.databases[name],
            "LIXIAO_HTTP_PORT": str(self.ports[name]),
            "LIXIAO_OPERATOR_PORT": str(self.ports[operator_port_of(name)]),
            "LIXIAO_CREDENTIALS": str(self.accounts.credentials(name, accounts_of(name))),
            "LIXIAO_SIGNING_KEY": str(self.accounts.signing_key(name)),
            "LIXIAO_TRUSTED_KEYS": str(self.accounts.trusted_keys),
            "LIXIAO_REQUIRE_SESSION_PROOF": "true",
            "LIXIAO_TRACE_KEY": self.accounts.trace_key(),
            **({"LIXIAO_UNIVERSITY": str(self.university), **variables} if variables else {}),
        }
        return Service(name, f"services.{name}", self.ports[name], environment, self.ports[operator_port_of(name)])

    def _kafka_of(self, name: str) -> KafkaConnection:
        """As the service's own user, if there are any."""
        if not self.kafka.uses_sasl:
            return self.kafka
        return as_service(self.kafka, name, self.accounts.kafka_passwords, namespace=self.namespace)

    def _identity(self) -> Service:
        name = tomllib.loads((self.university / "university.toml").read_text("utf-8"))["name"]
        gateway = self._address(GATEWAY)
        client = {
            "client_id": CLIENT_ID,
            "client_secret": self.accounts.client_secret(),
            "redirect_uris": [f"{gateway}/sign-in/callback"],
            "post_logout_redirect_uris": [f"{gateway}/signed-out", f"{gateway}/"],
            "backchannel_logout_uri": f"{gateway}/sign-in/logout-token",
        }
        environment = {
            **_inherited(),
            "LIXIAO_IDENTITY_PORT": str(self.ports[IDENTITY]),
            "LIXIAO_IDENTITY_ISSUER": self._address(IDENTITY),
            "LIXIAO_IDENTITY_PEOPLE": str(self.people),
            "LIXIAO_IDENTITY_CLIENTS": json.dumps([client]),
            "LIXIAO_IDENTITY_UNIVERSITY_ZH": name["zh"],
            "LIXIAO_IDENTITY_UNIVERSITY_EN": name["en"],
        }
        return Service(IDENTITY, "deploy.local.identity", self.ports[IDENTITY], environment, ready_path="/health/live")

    def _address(self, name: str) -> str:
        return f"http://{LOOPBACK}:{self.ports[name]}"


def operator_port_of(name: str) -> str:
    """The name of the port."""
    return f"{name} operator"


def _inherited() -> dict[str, str]:
    # Not LIXIAO_POSTGRES: it is a superuser's, which no service may have.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIXIAO_") or key in INHERITED}
    # The threads of a small service need no heap each.
    return {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"} | inherited
