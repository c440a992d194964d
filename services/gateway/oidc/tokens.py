"""ID tokens: the signature, the claims, and who signed in (OpenID Connect Core §3.1.3.7).

joserfc verifies the signature and Authlib the registered claims; the rest is what they leave to the application.
"""

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError, SecurityWarning
from joserfc.jwk import GuestProtocol, KeySet
from joserfc.jws import JWSRegistry
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.gateway.oidc.errors import Refusal, SignInRefused
from services.gateway.oidc.provider import OpenIdSettings

LEEWAY_S: Final = 60
# Asymmetric ones only: with HS256 or `none` anyone could sign.
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_ALGORITHMS: Final = (*_RSA, "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_REGISTRY: Final = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
_TOKEN_REFUSALS: Final = {  # by joserfc's name of the error
    "bad_signature": Refusal.BAD_SIGNATURE,
    "invalid_key_id": Refusal.UNKNOWN_KEY,
    "missing_algorithm": Refusal.ALGORITHM_NOT_ALLOWED,
    "unsupported_algorithm": Refusal.ALGORITHM_NOT_ALLOWED,
}
_CLAIM_REFUSALS: Final = {
    "iss": Refusal.WRONG_ISSUER,
    "aud": Refusal.WRONG_AUDIENCE,
    "azp": Refusal.WRONG_AUTHORIZED_PARTY,
    "nonce": Refusal.WRONG_NONCE,
    "exp": Refusal.EXPIRED,
    "iat": Refusal.NOT_YET_VALID,
    "nbf": Refusal.NOT_YET_VALID,
}


def _one_text(value: Any) -> Any:
    """A list of one is that one: some providers send every attribute as a list. Empty is absent."""
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    return None if value == "" else value


def _list(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


# What a database and a page can hold. pydantic itself refuses lone surrogates.
_Text = Annotated[str, StringConstraints(strict=True, max_length=255, pattern=r"^\P{Cc}*$")]
_OneText = Annotated[_Text | None, BeforeValidator(_one_text), Field(repr=False)]


class Identity(BaseModel):
    """Who signed in. A person is (`issuer`, `subject`): the same subject of two issuers is two people.

    What names a person stays out of the representation, so that it does not reach a log by accident.
    """

    model_config = ConfigDict(frozen=True)

    issuer: str
    subject: Annotated[_Text, Field(min_length=1, repr=False)]
    student_id: _OneText
    name: _OneText
    roles: Annotated[frozenset[_Text], BeforeValidator(_list), Field(max_length=200)]
    authenticated_at: datetime


def verified_claims(token: str, keys: KeySet) -> dict[str, Any]:
    """The claims of an ID token that one of `keys` has signed. Raises `SignInRefused`."""

    def fitting(message: GuestProtocol) -> KeySet:
        # A token without a key id is then accepted when one key alone fits its algorithm.
        algorithm = message.headers()["alg"]
        return KeySet([key for key in keys if JWSRegistry.filter_algorithms(key, [algorithm])])

    try:
        with warnings.catch_warnings(action="ignore", category=SecurityWarning):  # of the old name EdDSA
            decoded = jwt.decode(token, fitting, registry=_REGISTRY)
    except JoseError as error:
        raise SignInRefused(_TOKEN_REFUSALS.get(error.error, Refusal.TOKEN_MALFORMED)) from None
    except (ValueError, TypeError, AttributeError, RecursionError):  # of a header that is no object of texts
        raise SignInRefused(Refusal.TOKEN_MALFORMED) from None
    if "crit" in decoded.header:
        raise SignInRefused(Refusal.TOKEN_MALFORMED)
    # An access token or a logout token signed by the same key is not an ID token (RFC 8725 §3.11).
    if decoded.header.get("typ", "JWT").upper() != "JWT" or "events" in decoded.claims:
        raise SignInRefused(Refusal.WRONG_TYPE)
    return decoded.claims


def identity_of(claims: Mapping[str, Any], settings: OpenIdSettings, nonce: str, now: datetime) -> Identity:
    """Who signed in, if the claims are the provider's, for this sign-in and valid now. Raises `SignInRefused`."""
    expected = {"iss": settings.issuer, "aud": settings.client_id, "nonce": nonce}
    options = {name: {"essential": True, "value": value} for name, value in expected.items()}
    parameters = {"client_id": settings.client_id, "nonce": nonce}
    try:
        CodeIDToken(dict(claims), {}, options, parameters).validate(now.timestamp(), LEEWAY_S)
        return Identity(
            issuer=claims["iss"],
            subject=claims["sub"],
            student_id=_claim(claims, settings.student_id_claim),
            name=claims.get("name"),
            roles=_claim(claims, settings.roles_claim),
            authenticated_at=datetime.fromtimestamp(claims.get("auth_time") or claims["iat"], UTC),
        )
    except ClaimError as error:
        raise SignInRefused(_CLAIM_REFUSALS.get(error.claim, Refusal.CLAIM_MALFORMED)) from None
    except (ValueError, OverflowError, OSError):  # pydantic's, and of an instant beyond the calendar
        raise SignInRefused(Refusal.CLAIM_MALFORMED) from None


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or else by a path with dots into nested ones (`realm_access.roles`)."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
