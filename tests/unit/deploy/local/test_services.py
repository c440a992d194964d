"""The services of an installation: their ports, accounts and environments."""

import json
import socket
from pathlib import Path

import pytest

from deploy.local.credentials import Accounts
from deploy.local.processes.ports import LOOPBACK, remembered_ports
from deploy.local.services import IDENTITY, Service, ServiceProcesses, operator_port_of
from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.kit.http.access.credentials_file import CredentialsFile
from services.kit.kafka.connection import KafkaConnection

NAMES = (GATEWAY, IDENTITY, CLEARANCE, "library", "sports", NOTICES)


def services(folder: Path) -> dict[str, Service]:
    ports = {name: 7000 + index for index, name in enumerate((*NAMES, *map(operator_port_of, NAMES)))}
    databases = {name: {"LIXIAO_DATABASE": f"postgresql://{name}@h/d"} for name in NAMES if name != IDENTITY}
    processes = ServiceProcesses(
        ("library", "sports"),
        ports,
        Accounts(folder),
        kafka=KafkaConnection("h:9092"),
        zipkin="http://h:9411",
        namespace="lixiao",
        databases=databases,
        people=folder / "people.json",
    )
    return {one.name: one for one in processes.services()}


def test_a_taken_port_is_chosen_around_and_every_port_is_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        first = taken.getsockname()[1]
        ports = remembered_ports(tmp_path, NAMES, first)
    assert first not in ports.values()
    assert len(set(ports.values())) == len(NAMES)


def test_ports_left_to_the_kernel_stay_the_same_from_run_to_run(tmp_path: Path) -> None:
    assert remembered_ports(tmp_path, NAMES, 0) == remembered_ports(tmp_path, NAMES, 0)


def test_a_token_is_kept_for_its_owner_alone_and_opens_its_own_desk_only(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    token = accounts.token("library")
    assert accounts.token("library") == token
    assert accounts.token_file("library").stat().st_mode & 0o077 == 0
    known = CredentialsFile(accounts.credentials("library", {"library": {"desk:library"}}))
    found = known.find(token)
    assert found is not None
    assert found.roles == {"desk:library"}
    assert known.find(accounts.token("dorm")) is None


def test_a_discovered_department_is_a_process_with_a_desk_account_of_its_own(tmp_path: Path) -> None:
    sports = services(tmp_path)["sports"]
    assert sports.module == "services.sports"
    assert "desk:sports" in Path(sports.environment["LIXIAO_CREDENTIALS"]).read_text()


def test_no_service_is_given_the_superusers_dsn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIXIAO_POSTGRES", "postgresql://superuser:secret@h/postgres")
    for one in services(tmp_path).values():
        assert not any("secret@" in value for value in one.environment.values())


def test_the_identity_provider_knows_the_gateways_own_addresses(tmp_path: Path) -> None:
    by_name = services(tmp_path)
    (client,) = json.loads(by_name[IDENTITY].environment["LIXIAO_IDENTITY_CLIENTS"])
    gateway = by_name[GATEWAY].environment
    assert client["redirect_uris"] == [f"{gateway['LIXIAO_PUBLIC_URL']}/sign-in/callback"]
    assert client["client_secret"] == gateway["LIXIAO_OPENID_CLIENT_SECRET"]
    assert gateway["LIXIAO_OPENID_ISSUER"] == by_name[IDENTITY].environment["LIXIAO_IDENTITY_ISSUER"]
