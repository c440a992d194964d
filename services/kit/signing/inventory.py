"""Which keys of records a service signs with and believes, as its files are now: for people, without private parts."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field

from services.kit.settings import Settings
from services.kit.signing.keys import key_ids, private_key_id


class BelievedKey(BaseModel):
    """Of `service`, by the file that is in the folder `since` then."""

    model_config = ConfigDict(frozen=True)

    service: str
    kid: str
    since: datetime


class Certificate(BaseModel):
    model_config = ConfigDict(frozen=True)

    names: tuple[str, ...]
    since: datetime
    ends_at: datetime


class SigningInventory(BaseModel):
    model_config = ConfigDict(frozen=True)

    signs_with: str | None = Field(description="Id of its own key; null: it signs nothing.")
    signs_since: datetime | None = Field(description="When the file of that key was put in place.")
    verifies: bool = Field(description="False: every record is believed.")
    believed: tuple[BelievedKey, ...] = Field(description="A revoked key is one that is not here.")
    certificate: Certificate | None = Field(description="Of its own TLS; null: a proxy serves TLS.")


def inventory_of(settings: Settings) -> SigningInventory:
    """What cannot be read now, as a file that is just being copied, is left out."""
    own = settings.signing_key
    kid = private_key_id(own) if own else None
    return SigningInventory(
        signs_with=kid,
        signs_since=_changed(own) if own and kid else None,
        verifies=settings.trusted_keys is not None,
        believed=tuple(_believed(settings.trusted_keys)) if settings.trusted_keys else (),
        certificate=_certificate(settings.tls_certificate) if settings.tls_certificate else None,
    )


def _believed(folder: Path) -> list[BelievedKey]:
    return [BelievedKey(service=service, kid=kid, since=_changed(file)) for service, kid, file in key_ids(folder)]


def _changed(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _certificate(file: Path) -> Certificate | None:
    try:
        first, *_ = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return None
    try:
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = tuple(map(str, names.get_values_for_type(x509.DNSName)))
    except x509.ExtensionNotFound:
        shown = ()
    return Certificate(names=shown, since=first.not_valid_before_utc, ends_at=first.not_valid_after_utc)
