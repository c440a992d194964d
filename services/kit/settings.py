"""Configuration from `LIXIAO_` environment variables.

LIXIAO_SECRETS_FOLDER may hold files named like them, in lower case. OpenTelemetry reads its own OTEL_… variables.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from schemas.topics import KEPT_DAYS, Topics
from services.kit.kafka.settings import KafkaSettings
from services.kit.manifests import SERVICES
from services.kit.postgres.dsn import unprotected_hosts
from services.kit.student_numbers import NumberForm

PREFIX = "LIXIAO_"
SECRETS_FOLDER = "LIXIAO_SECRETS_FOLDER"

SESSION_TIMEOUT_S: Final = 12.0

_DSN = r"^postgres(ql)?://"
Dsn = Annotated[str, Field(pattern=_DSN, repr=False)]
OptionalDsn = Annotated[str | None, Field(pattern=_DSN, repr=False)]
Port = Annotated[int, Field(ge=0, le=65535)]
Days = Annotated[int, Field(ge=1, le=36_500)]
TopicDays = Annotated[int, Field(ge=1, le=3_650)]


class DatabaseSettings(BaseSettings):
    """Of whatever connects to PostgreSQL: the rule for its addresses."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_tls: Literal["verified", "any"] = "verified"
    """`any`: also addresses beyond this machine without a verified certificate."""

    @field_validator("database", "migration_database", "read_model", "postgres", check_fields=False)
    @classmethod
    def _protected(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("database_tls") == "verified" and (hosts := unprotected_hosts(value)):
            raise ValueError(
                f"{', '.join(hosts)} is beyond this machine and its certificate is not verified: "
                "add ?sslmode=verify-full&sslrootcert=<file of the authority>, "
                "or set LIXIAO_DATABASE_TLS=any where the network itself is protected"
            )
        return value


class Settings(KafkaSettings, DatabaseSettings):
    """Services subclass it.

    `read_model`: the clearance's database, read-only, for the gateway. `credentials`: JSON [{name, token_sha256,
    roles}]; without it every protected route refuses.
    """

    namespace: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")] = "lixiao"
    database: Dsn
    migration_database: OptionalDsn = None
    """The same database as its owner, who may change tables. For commands; a service that has it migrates at start."""
    read_model: OptionalDsn = None
    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    operator_host: str = "127.0.0.1"
    operator_port: Port | None = None
    """Serves health by part, metrics and documents, which no other port does."""
    trusted_proxies: str = ""
    """Addresses and networks, separated by commas, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    allowed_hosts: str = ""
    """Host names, separated by commas, that requests may be sent to; any without them."""
    max_connections: Annotated[int, Field(ge=1)] = 10_000
    max_connections_per_address: Annotated[int, Field(ge=1)] = 1_000
    """Not of trusted proxies; an IPv6 address counts as its /64."""
    tls_certificate: Path | None = None
    """PEM, with its chain; read again when the file changes. Without it a reverse proxy has to serve TLS."""
    tls_key: Path | None = None
    credentials: Path | None = None
    token_rate: Annotated[float, Field(gt=0, le=1_000_000)] = 100.0
    """Requests a second with one name's tokens, ten times as many at once."""
    signing_key: Path | None = None
    """PEM, Ed25519: signs what this service publishes."""
    trusted_keys: Path | None = None
    """Folder of the services' public keys; with it an unsigned or wrongly signed record is a dead letter."""
    require_session_proof: bool = False
    """A command without the proof of a session that asked for it is a dead letter. At whoever acts on commands."""
    audit_heads: Path | None = None
    """File of heads that `audit verify` compares the audit with, and adds to."""
    services_folder: Path = SERVICES
    university: Path | None = None
    student_id_pattern: Annotated[str | None, Field(max_length=200)] = None
    """The university's own form of student numbers, a regular expression for the whole number in upper case."""
    student_id_example: Annotated[str | None, Field(validate_default=True)] = None
    """One of them, for people to read; goes with the pattern."""
    sources: Path | None = None
    """Folder of the university's own sources of import files, `<department or roster>/<name>.toml`."""
    time_zone: str = "Asia/Shanghai"
    """Of the university: of the day a case is opened on, and of instants in files without an offset."""
    outdated_rows: Literal["skip", "reject"] = "skip"
    """Rows that an act after them would be undone by: left out and counted, or rejected, which is an open question."""
    require_if_match: bool = False
    """A record is replaced only with the `ETag` of the one it replaces."""
    unknown_students: Literal["accept", "refuse"] = "accept"
    """Acts and rows about numbers that are not on the roster, at a department."""
    freshness_bound_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    session_timeout_s: Annotated[float, Field(ge=1, le=1_800)] = SESSION_TIMEOUT_S
    """Until Kafka reassigns a killed member's partitions, within the broker's group.{min,max}.session.timeout.ms."""
    dead_letter_max_ratio: Annotated[float, Field(ge=0, le=1)] = 0.2
    """A larger undecodable share of a topic's last 1,000 records stops a consumer; 1 disables it."""
    dead_letter_max_consecutive: Annotated[int, Field(ge=1)] = 100
    """A longer run of undecodable records stops a consumer."""
    hold_grace_s: Annotated[float, Field(ge=10, le=3_600)] = 120.0
    """A department's hold without an end of its attempt lasts so much longer than the attempt: more than the clocks of
    department and clearance differ by, and longer than the clearance takes to commit a decision."""
    alive_every_s: Annotated[float, Field(gt=0, le=3_600)] = 5.0
    topic_days: TopicDays = KEPT_DAYS
    """How long ordinary topics keep a record, as they were provisioned with."""
    keep_requests_days: Days = 30
    """Answers by idempotency key, from the answer."""
    keep_imports_days: Days = 90
    """Import jobs with their rows, from the job's end."""
    keep_dead_letters_days: Days = 90
    """Raw records of ended dead letters, from their end."""
    keep_rounds_days: Days = 400
    """Attempts that led to nothing, attestations, ends and commands, from their end; longer than `topic_days`."""
    keep_notes_days: Days = 180
    """Notes between staff, from their writing; comments of students, from their answer, else from their writing."""
    digest_every_s: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    """Digests of all statuses beside alive marks: the view is compared with each, and two that differ are a finding."""
    trace_key: Annotated[str | None, Field(min_length=32, max_length=1_000, repr=False)] = None
    """Secret of the opaque keys that traces of a student are found by, the same at every service. Without it spans have
    no key, and a trace ends at the view.
    """
    trace_slow_s: Annotated[float, Field(gt=0, le=3_600)] = 1.0
    """A request or record that took longer is kept among the traces, whatever the sampling."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    docs: bool = True
    metrics: bool = True

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for each in filter(None, map(str.strip, value.split(","))):
            ip_network(each)
        return value

    @model_validator(mode="after")
    def _whole_pair(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("LIXIAO_TLS_CERTIFICATE and LIXIAO_TLS_KEY go together")
        return self

    @field_validator(
        "tls_certificate",
        "tls_key",
        "credentials",
        "signing_key",
        "trusted_keys",
        "services_folder",
        "university",
        "sources",
    )
    @classmethod
    def _exists(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and not value.exists():
            raise ValueError("no such file or folder")
        return value

    @field_validator("student_id_example")
    @classmethod
    def _of_the_pattern(cls, value: str | None, info: ValidationInfo) -> str | None:
        pattern = info.data.get("student_id_pattern")
        if (pattern is None) != (value is None):
            raise ValueError("it goes with LIXIAO_STUDENT_ID_PATTERN: set both or none")
        if pattern is not None and value is not None:
            NumberForm.of(pattern, value)
        return value

    @field_validator("keep_rounds_days")
    @classmethod
    def _longer_than_topics(cls, value: int, info: ValidationInfo) -> int:
        # What is still in a topic may be received again, and is recognised by these rows.
        if value <= info.data.get("topic_days", 0):
            raise ValueError("it has to be more than LIXIAO_TOPIC_DAYS: until then an event may be received again")
        return value

    @property
    def owner_database(self) -> str:
        return self.migration_database or self.database

    @property
    def number_form(self) -> NumberForm | None:
        if self.student_id_pattern is None or self.student_id_example is None:
            return None
        return NumberForm.of(self.student_id_pattern, self.student_id_example)

    def sources_of(self, kind: str) -> Path | None:
        return self.sources / kind if self.sources else None

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("there is no such time zone; an example of one is Asia/Shanghai") from None
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def topics(self) -> Topics:
        return Topics(self.namespace)


S = TypeVar("S", bound=BaseSettings)


def load(kind: type[S]) -> S:
    """Reports wrong variables on stderr, without values, and exits with 2."""
    folder = os.environ.get(SECRETS_FOLDER) or None
    if folder is not None and not Path(folder).is_dir():
        raise refused([f"{SECRETS_FOLDER} is wrong: no such folder"])
    try:
        return kind(_secrets_dir=folder)
    except ValidationError as error:
        raise refused(explained(error)) from None
    except SettingsError as error:
        raise refused([_unread(error)]) from None


_UNREAD: Final = re.compile(r'error (parsing|getting) value for field "(\w+)"')


def _unread(error: SettingsError) -> str:
    """Of a text that is read before it is compared with any rule."""
    found = _UNREAD.match(str(error))
    if found is None:
        return f"{SECRETS_FOLDER} is wrong: {error}"
    rule = "it is not JSON" if found[1] == "parsing" else "its file cannot be read as UTF-8"
    return f"{PREFIX}{found[2].upper()} is wrong: {rule}"


@contextmanager
def reported() -> Iterator[None]:
    """For files that settings name: a `ValueError` ends the process in one line, as a wrong setting does."""
    try:
        yield
    except ValueError as error:
        raise refused([" ".join(str(error).split())]) from None


def refused(lines: list[str]) -> SystemExit:
    """To be raised, when `lines` are on stderr."""
    for line in lines:
        print(line, file=sys.stderr)
    return SystemExit(2)


def explained(error: ValidationError) -> list[str]:
    """Variable and rule, a line each. A rule about several variables names them itself."""
    lines = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        if not each["loc"]:
            # Of several together, which it names.
            lines.append(each["msg"].removeprefix("Value error, "))
            continue
        variable = PREFIX + "_".join(str(part) for part in each["loc"]).upper()
        wanted = "is not set" if each["type"] == "missing" else f"is wrong: {each['msg']}"
        lines.append(f"{variable} {wanted}")
    return lines
