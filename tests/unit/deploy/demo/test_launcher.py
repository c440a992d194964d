"""The small parts of the demonstration's launcher: ports, tokens, environments, the printed request, the pace."""

import json
import socket
from pathlib import Path

import pytest

from deploy.demo.load import Ledger
from deploy.demo.simulator import FASTEST, Player
from deploy.demo.students import cohort
from deploy.demo.welcome import curl
from deploy.local.credentials import Accounts
from deploy.local.processes.ports import LOOPBACK
from deploy.local.services import IDENTITY, UNIVERSITY, Servers, ServiceProcesses, choose_ports
from schemas.flows import CLEARANCE, GATEWAY
from services.kit.http.auth import Credentials

NAMES = (GATEWAY, IDENTITY, CLEARANCE, "library", "sports")


def fleet(folder: Path) -> ServiceProcesses:
    ports = {name: 7000 + place for place, name in enumerate(NAMES)}
    return ServiceProcesses(("library", "sports"), ports, Accounts(folder))


def servers() -> Servers:
    databases = {name: {"LIXIAO_DATABASE": f"postgresql://{name}@h/d"} for name in NAMES if name != IDENTITY}
    return Servers("h:9092", "http://h:9411", databases, "lixiao")


def test_a_taken_port_is_chosen_around_and_every_port_is_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        first = taken.getsockname()[1]
        ports = choose_ports(NAMES, first, tmp_path)
    assert first not in ports.values()
    assert len(set(ports.values())) == len(NAMES)


def test_ports_left_to_the_kernel_stay_the_same_from_run_to_run(tmp_path: Path) -> None:
    assert choose_ports(NAMES, 0, tmp_path) == choose_ports(NAMES, 0, tmp_path)


def test_a_token_is_kept_for_its_owner_alone_and_opens_its_own_desk_only(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    token = accounts.token("library")
    assert accounts.token("library") == token
    assert accounts.token_file("library").stat().st_mode & 0o077 == 0
    known = Credentials.load(accounts.credentials("library", {"library": "desk:library"}))
    found = known.find(token)
    assert found is not None
    assert found.roles == {"desk:library"}
    assert known.find(accounts.token("dorm")) is None


def test_a_department_nobody_listed_is_a_process_with_a_desk_account_of_its_own(tmp_path: Path) -> None:
    services = {one.name: one for one in fleet(tmp_path).services(servers(), tmp_path / "people.json", UNIVERSITY)}
    sports = services["sports"]
    assert sports.module == "services.sports"
    assert "desk:sports" in Path(sports.environment["LIXIAO_CREDENTIALS"]).read_text()


def test_no_service_hears_of_the_callers_own_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIXIAO_POSTGRES", "postgresql://superuser:secret@h/postgres")
    for one in fleet(tmp_path).services(servers(), tmp_path / "people.json", UNIVERSITY):
        assert not any("secret@" in value for value in one.environment.values())


def test_the_identity_provider_knows_the_gateways_own_addresses(tmp_path: Path) -> None:
    services = {one.name: one for one in fleet(tmp_path).services(servers(), tmp_path / "people.json", UNIVERSITY)}
    (client,) = json.loads(services[IDENTITY].environment["LIXIAO_IDENTITY_CLIENTS"])
    gateway = services[GATEWAY].environment
    assert client["redirect_uris"] == [f"{gateway['LIXIAO_PUBLIC_URL']}/sign-in/callback"]
    assert client["client_secret"] == gateway["LIXIAO_OPENID_CLIENT_SECRET"]
    assert gateway["LIXIAO_OPENID_ISSUER"] == services[IDENTITY].environment["LIXIAO_IDENTITY_ISSUER"]


def test_the_printed_request_names_the_token_by_its_short_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    token = tmp_path / ".lixiao" / "demo" / "tokens" / "library"
    assert "$(cat .lixiao/demo/tokens/library)" in curl("TS1", "http://h:1", token)
    elsewhere = tmp_path.parent / "token"
    assert f"$(cat {elsewhere})" in curl("TS1", "http://h:1", elsewhere)


def test_what_was_given_is_remembered_until_its_database_is_new(tmp_path: Path) -> None:
    students = cohort(20)
    ledger = Ledger(tmp_path / "given.json")
    ledger.note("library", 12)
    ledger.note("library", 8)
    again = Ledger(tmp_path / "given.json")
    assert list(again.missing("library", students)) == list(students[12:])
    again.forget(["library"])
    assert list(Ledger(tmp_path / "given.json").missing("library", students)) == list(students)


@pytest.mark.parametrize("pace", [0, -1, FASTEST + 1])
def test_a_pace_outside_of_its_bounds_is_refused(pace: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pace"):
        Player({}, Accounts(tmp_path), ["TS1"], pace=pace, seed=1)


def test_the_player_keeps_its_pace_and_makes_nothing_up_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts, now_s = 0, 0.0

    def act(_: Player) -> None:
        nonlocal acts
        acts += 1

    monkeypatch.setattr(Player, "act", act)
    player = Player({}, Accounts(tmp_path), ["TS1"], pace=2, seed=1, clock=lambda: now_s)
    for tenth in range(100):
        now_s = tenth / 10
        player.turn()
    assert acts == pytest.approx(20, abs=1)
    now_s, acts = 3600.0, 0
    player.turn()
    assert acts <= 3
