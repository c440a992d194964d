"""Beyond this machine a password goes only to a server that has shown its certificate."""

import pytest
from pydantic import ValidationError

from services.kit.postgres.dsn import unprotected_hosts
from services.kit.settings import Settings, explained

KAFKA = "127.0.0.1:9092"
REMOTE = "postgresql://library:hush@db.example.edu:5432/library"


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p@127.0.0.1/d",
        "postgresql://u:p@127.8.0.9:5433/d",
        "postgresql://u:p@[::1]:5432/d",
        "postgresql://u:p@LOCALHOST/d",
        "postgresql://u:p@/d",
        "postgresql:///d?host=/run/postgresql",
        "postgresql://u:p@%2Frun%2Fpostgresql/d",
        "postgresql://u:p@127.0.0.1,[::1]:5433/d",
        f"{REMOTE}?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        f"{REMOTE}?sslmode=verify-ca",
    ],
)
def test_an_address_of_this_machine_or_with_a_verified_certificate_is_protected(dsn: str) -> None:
    assert unprotected_hosts(dsn, {}) == []


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        (REMOTE, ["db.example.edu"]),
        (f"{REMOTE}?sslmode=require", ["db.example.edu"]),
        (f"{REMOTE}?sslmode=prefer", ["db.example.edu"]),
        (f"{REMOTE}?sslmode=verify-full&sslmode=disable", ["db.example.edu"]),
        ("postgresql://u:p@127.0.0.1,db:5432/d", ["db"]),
        ("postgresql://u:p@10.0.0.5/d", ["10.0.0.5"]),
        ("postgresql://u:p@[2001:db8::5]:5432/d", ["2001:db8::5"]),
        ("postgresql:///d?host=db", ["db"]),
        ("postgresql://127.0.0.1.example.edu/d", ["127.0.0.1.example.edu"]),
        ("postgresql://localhost.example.edu/d", ["localhost.example.edu"]),
        ("postgresql:///?service=elsewhere", ["service elsewhere"]),
        ("postgresql://u:127.0.0.1@db/d", ["db"]),
    ],
)
def test_an_address_beyond_this_machine_without_one_is_named(dsn: str, hosts: list[str]) -> None:
    assert unprotected_hosts(dsn, {}) == hosts


def test_what_the_environment_of_postgresql_adds_counts() -> None:
    assert unprotected_hosts("postgresql:///d", {"PGHOST": "db"}) == ["db"]
    assert unprotected_hosts("postgresql:///d", {"PGHOST": "/run/postgresql"}) == []
    assert unprotected_hosts(REMOTE, {"PGSSLMODE": "verify-full"}) == []
    assert unprotected_hosts(f"{REMOTE}?sslmode=disable", {"PGSSLMODE": "verify-full"}) == ["db.example.edu"]


@pytest.mark.parametrize("setting", ["database", "migration_database", "read_model"])
def test_a_service_refuses_such_an_address_and_names_the_setting_and_the_remedy(setting: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"kafka": KAFKA, "database": "postgresql://u:p@127.0.0.1/d", setting: REMOTE})
    (line,) = explained(refused.value)
    assert line.startswith(f"LIXIAO_{setting.upper()} is wrong: ")
    assert "sslmode=verify-full" in line
    assert "LIXIAO_DATABASE_TLS=any" in line
    assert "hush" not in line


def test_less_is_possible_only_by_the_setting_that_says_so() -> None:
    assert Settings(kafka=KAFKA, database=REMOTE, database_tls="any").database == REMOTE
