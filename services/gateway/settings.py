"""The gateway's own settings."""

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import Name
from services.kit.names import CERTIFICATE_DESK
from services.kit.secret_files import secret_of
from services.kit.settings import Dsn, Settings

_LOOPBACK: Final = ("127.0.0.1", "localhost")


class DeskAddress(BaseModel):
    """Of a department's desk API, or of the clearance's. `token` has its role and `staff-pages`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    address: Annotated[
        str, Field(pattern=r"^(https://[A-Za-z0-9.\-\[\]:]+|http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?)$")
    ]
    """Over https, but on this machine."""
    token: Annotated[str | None, Field(min_length=16, repr=False)] = None
    token_file: Path | None = None
    """In its place; read at each request."""

    @model_validator(mode="after")
    def _one_token(self) -> "DeskAddress":
        if (self.token is None) == (self.token_file is None):
            raise ValueError("give token or token_file")
        return self

    def bearer(self) -> str:
        """Raises `NoSecret`."""
        return secret_of(self.token, self.token_file) or ""


class RoleContext(BaseModel):
    """How people with a role must have signed in. `acr`: values of which one is needed; any without them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_age_s: Annotated[int, Field(ge=300, le=604_800)] | None = None
    acr: Annotated[tuple[Annotated[str, Field(pattern=r"^[!-~]{1,200}$")], ...], Field(max_length=20)] = ()


def _desk_context() -> dict[str, RoleContext]:
    return {CERTIFICATE_DESK: RoleContext(max_age_s=28_800)}


class GatewaySettings(Settings):
    """`public_url`, without a path, is for redirects and origin checks."""

    read_model: Dsn
    public_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+$")] | None = None
    security_contact: Annotated[str, Field(pattern=r"^(https://|mailto:|tel:)[!-~]+$")] | None = None
    """Whom to tell of a fault, for /.well-known/security.txt."""
    session_idle_s: Annotated[int, Field(ge=60, le=86_400)] = 3_600
    session_life_s: Annotated[int, Field(ge=60, le=604_800)] = 43_200
    roles_check_s: Annotated[float, Field(ge=1, le=86_400)] = 300.0
    """The provider is asked again for the roles of staff who go on working."""
    roles_life_s: Annotated[float, Field(ge=60, le=604_800)] = 3_600.0
    """A session of staff whose roles could not be confirmed for so long ends."""
    role_authentication: Annotated[dict[str, RoleContext], Field(default_factory=_desk_context)]
    """JSON, by role: `{"max_age_s", "acr"}`, both optional."""
    max_streams: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    stream_session_check_s: Annotated[float, Field(gt=0, le=50)] = 15.0
    """For open live pages; one ends within a minute of signing out elsewhere."""
    command_resend_s: Annotated[float, Field(ge=1, le=3_600)] = 30.0
    """A command without an answer is sent again after this, then after twice as long each time."""
    command_life_s: Annotated[float, Field(ge=10, le=90_000)] = 900.0
    """Then it is given up. Longer than the clearance lets an attempt live."""
    keep_shown_days: Annotated[int, Field(ge=0, le=3_650)] = 180
    """What students' pages showed, from when it was shown last; 0: nothing is kept."""
    sign_in: Literal["oidc", "cas"] = "oidc"
    """The protocol of the university's identity provider."""
    sign_in_timeout_s: Annotated[float, Field(ge=0.5, le=30)] = 5.0
    """For each answer of the provider."""
    openid_issuer: str = ""
    openid_client_id: str = ""
    openid_client_secret: Annotated[str | None, Field(repr=False)] = None
    openid_client_secret_file: Path | None = None
    """In its place; read at each use."""
    openid_client_authentication: Literal["client_secret_basic", "client_secret_post", "none"] = "client_secret_basic"
    openid_scope: str = "openid profile"
    openid_student_id_claim: str = "student_id"
    openid_roles_claim: str = "roles"
    openid_userinfo: bool = False
    """Read userinfo for claims that the ID token lacks."""
    cas_server: str = ""
    """Up to what precedes `/login`."""
    cas_student_id_attribute: str = "student_id"
    """`cas:user`: the account itself is the student number."""
    cas_roles_attribute: str = "roles"
    cas_name_attribute: str = "name"
    authorities: Path | None = None
    """PEM of whose certificates of provider and desks are believed; the public ones without it."""
    desks: Annotated[dict[Name, DeskAddress], Field(default_factory=dict, repr=False)]
    """JSON, by department: `{"address", "token"}`. A department without one has a work list and no records."""
    operated: Annotated[dict[str, DeskAddress], Field(default_factory=dict, repr=False)]
    """JSON, by service: `{"address", "token"}` of its operator port, for the operator's pages."""
    pdf_certificate: Path | None = None
    """PEM, with its issuers' after it: forms are signed as PDFs (PAdES) too. Without it they are not."""
    pdf_key: Path | None = None
    """PEM. Or the key is in a token:"""
    pdf_module: Path | None = None
    """A PKCS#11 library."""
    pdf_token: str = ""
    """The token's label."""
    pdf_pin: Annotated[str | None, Field(repr=False)] = None
    """Of the token's user."""
    pdf_key_label: str = ""
    """The key's label in the token."""
    trace_ui: Annotated[str | None, Field(pattern=r"^https?://[!-~]*\{trace_id\}[!-~]*$")] = None
    """Address of a trace in whatever shows traces, with `{trace_id}` in its place."""
    trace_search: Annotated[str | None, Field(pattern=r"^https?://[!-~]*\{key\}[!-~]*$")] = None
    """Address of the traces whose attribute `lixiao.subject` is `{key}`."""
    trace_key_before: Annotated[str | None, Field(min_length=32, max_length=1_000, repr=False)] = None
    """The trace key before this one: staff still find traces by it."""
    notices: Annotated[DeskAddress | None, Field(repr=False)] = None
    """JSON, of the notice service: `{"address", "token"}`. Without it students have no page of notices."""
    proxy_document_keys: Path | None = None
    """A line each of id and key in hexadecimal, the first seals; read at each use. Without it no document is kept."""
    roster: Annotated[DeskAddress | None, Field(repr=False)] = None
    """JSON, of the clearance: `{"address", "token"}`. Without it the roster is a list only."""

    @model_validator(mode="after")
    def _idle_within_life(self) -> "GatewaySettings":
        if self.session_idle_s > self.session_life_s:
            raise ValueError("LIXIAO_SESSION_IDLE_S must not be longer than LIXIAO_SESSION_LIFE_S")
        return self

    @model_validator(mode="after")
    def _one_pdf_key(self) -> "GatewaySettings":
        token = {self.pdf_module is None, not self.pdf_token, not self.pdf_pin, not self.pdf_key_label}
        if len(token) > 1:
            raise ValueError("LIXIAO_PDF_MODULE, _TOKEN, _PIN and _KEY_LABEL go together")
        keys = (self.pdf_key is not None) + (self.pdf_module is not None)
        if keys != (self.pdf_certificate is not None):
            raise ValueError("LIXIAO_PDF_CERTIFICATE needs LIXIAO_PDF_KEY or LIXIAO_PDF_MODULE, and they need it")
        return self

    @model_validator(mode="after")
    def _checked_within_life(self) -> "GatewaySettings":
        if self.roles_check_s > self.roles_life_s:
            raise ValueError("LIXIAO_ROLES_CHECK_S must not be longer than LIXIAO_ROLES_LIFE_S")
        return self

    @model_validator(mode="after")
    def _sent_again_within_life(self) -> "GatewaySettings":
        if self.command_resend_s > self.command_life_s:
            raise ValueError("LIXIAO_COMMAND_RESEND_S must not be longer than LIXIAO_COMMAND_LIFE_S")
        return self

    @model_validator(mode="after")
    def _one_provider(self) -> "GatewaySettings":
        if self.sign_in == "oidc" and not (self.openid_issuer and self.openid_client_id):
            raise ValueError("LIXIAO_OPENID_ISSUER and LIXIAO_OPENID_CLIENT_ID are needed to sign in by OpenID Connect")
        if self.sign_in == "cas" and not self.cas_server:
            raise ValueError("LIXIAO_CAS_SERVER is needed to sign in by CAS")
        if self.sign_in == "cas" and any(one.acr for one in self.role_authentication.values()):
            raise ValueError("LIXIAO_ROLE_AUTHENTICATION: CAS cannot be asked for a strength (acr) of the sign-in")
        return self

    @property
    def trace_secrets(self) -> tuple[str, ...]:
        """What traces may be searched by."""
        return tuple(one for one in (self.trace_key, self.trace_key_before) if one)

    @property
    def origin(self) -> str:
        return self.public_url or f"http://{self.http_host}:{self.http_port}"

    @property
    def hosts(self) -> str:
        """By default the public address's own."""
        host = urlsplit(self.public_url or "").hostname or ""
        return self.allowed_hosts or (",".join(_LOOPBACK) if host in _LOOPBACK else host)

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https://")
