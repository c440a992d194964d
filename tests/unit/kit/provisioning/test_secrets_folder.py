"""Every secret of an installation: each service finds its own, and no other's."""

import hashlib
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from schemas.flows import CLEARANCE, GATEWAY, NOTICES
from services.gateway.settings import GatewaySettings
from services.kit.provisioning.accounts import accounts_of
from services.kit.provisioning.secrets_folder import SecretsFolder
from services.kit.runtime.private_files import write_private

DEPARTMENTS = ("dorm", "library")


@pytest.fixture
def secrets(tmp_path: Path) -> SecretsFolder:
    folder = SecretsFolder(
        tmp_path / "secrets",
        DEPARTMENTS,
        "admin@postgres:5432",
        servers={"kafka1": ["kafka1"]},
        public_hosts=("l.test",),
    )
    folder.write()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_gateway_starts_with_its_folder(secrets: SecretsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIXIAO_KAFKA", "kafka1:9092")
    monkeypatch.setenv("LIXIAO_OPENID_ISSUER", "https://sign-in.test")
    monkeypatch.setenv("LIXIAO_OPENID_CLIENT_ID", "gateway")
    settings = GatewaySettings(_secrets_dir=secrets.folder / GATEWAY)
    assert urlsplit(settings.database).path == "/lixiao_gateway"
    assert urlsplit(settings.read_model).path == "/lixiao_clearance"
    assert settings.desks.keys() == set(DEPARTMENTS)
    assert settings.operated.keys() == {*DEPARTMENTS, CLEARANCE, NOTICES}
    assert settings.roster is not None
    assert settings.roster.address == "https://clearance:8080"
    assert settings.notices is not None
    assert settings.notices.address == "https://notices:8080"


def test_a_token_opens_the_service_it_was_made_for_and_no_other(secrets: SecretsFolder) -> None:
    gateway = secrets.folder / GATEWAY
    desks = json.loads((gateway / "lixiao_desks").read_text())
    opened = []
    for service in (*DEPARTMENTS, CLEARANCE, NOTICES):
        entries = json.loads((secrets.folder / service / "credentials.json").read_text())
        assert {entry["name"]: frozenset(entry["roles"]) for entry in entries} == accounts_of(service)
        known = {entry["token_sha256"] for entry in entries}
        opened += [
            (service, name)
            for name, desk in desks.items()
            if hashlib.sha256(desk["token"].encode()).hexdigest() in known
        ]
    assert opened == [(name, name) for name in DEPARTMENTS]


def test_a_service_has_its_own_secrets_only(secrets: SecretsFolder) -> None:
    def secret_values(service: str) -> set[bytes]:
        found = contents(secrets.folder / service)
        return {found[name] for name in ("kafka-password", "signing-key.pem", "tls.key", "lixiao_database")}

    services = list(secrets.services)
    for service in services:
        assert not secret_values(service) & set().union(*(secret_values(one) for one in services if one != service))
        assert "owner" not in (secrets.folder / service / "lixiao_database").read_text()


def test_repeating_it_changes_nothing(secrets: SecretsFolder) -> None:
    before = contents(secrets.folder)
    assert secrets.write() == []
    assert contents(secrets.folder) == before


def test_a_new_department_changes_only_what_concerns_it(secrets: SecretsFolder) -> None:
    before = contents(secrets.folder)
    more = SecretsFolder(secrets.folder, (*DEPARTMENTS, "sports"), "admin@postgres:5432")
    assert more.write() == ["sports"]
    changed = {name for name, value in before.items() if contents(secrets.folder)[name] != value}
    assert changed == {"admin/databases.json", "gateway/lixiao_desks", "gateway/lixiao_operated"}


def test_what_the_operator_has_replaced_stays(secrets: SecretsFolder) -> None:
    write_private(secrets.folder / GATEWAY / "openid-client-secret", "from the provider")
    secrets.write()
    assert (secrets.folder / GATEWAY / "openid-client-secret").read_text() == "from the provider"


def test_files_are_for_their_owner_only(secrets: SecretsFolder) -> None:
    public = {"authority.pem", "authorities.pem", "tls.pem"}
    open_to_others = {
        file.name
        for file in secrets.folder.rglob("*")
        if file.is_file() and file.stat().st_mode & 0o077 and "trusted-keys" not in file.parts
    }
    assert open_to_others <= public
