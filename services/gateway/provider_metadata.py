"""What the identity provider publishes of itself, checked before it is used (Discovery 1.0 §4.3). Pure."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit

from services.gateway.refusals import ProviderUnavailable, Unavailability

WELL_KNOWN = "/.well-known/openid-configuration"
_URL_CHARACTERS_MAX = 2048


@dataclass(frozen=True)
class Metadata:
    """The addresses of a provider; `end_session_endpoint` is None where it offers no sign-out."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None


def is_acceptable_url(url: str, plain_http_allowed: bool) -> bool:
    """https without credentials or fragment; plain http only where allowed and only on this very machine."""
    if len(url) > _URL_CHARACTERS_MAX or any(c.isspace() for c in url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and plain_http_allowed and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_metadata(document: object, issuer: str) -> Metadata:
    """Read a discovery document that must be `issuer`'s own. Raises `ProviderUnavailable`."""
    if not isinstance(document, dict):
        raise ProviderUnavailable(Unavailability.BAD_METADATA)
    if document.get("issuer") != issuer:
        raise ProviderUnavailable(Unavailability.ISSUER_MISMATCH)
    plain_http_allowed = issuer.startswith("http://")
    end_session = document.get("end_session_endpoint")
    return Metadata(
        authorization_endpoint=_address(document, "authorization_endpoint", plain_http_allowed),
        token_endpoint=_address(document, "token_endpoint", plain_http_allowed),
        jwks_uri=_address(document, "jwks_uri", plain_http_allowed),
        end_session_endpoint=None
        if end_session is None
        else _address(document, "end_session_endpoint", plain_http_allowed),
    )


def _address(document: Mapping[str, Any], name: str, plain_http_allowed: bool) -> str:
    url = document.get(name)
    if not isinstance(url, str) or not is_acceptable_url(url, plain_http_allowed):
        raise ProviderUnavailable(Unavailability.BAD_METADATA)
    return url


def code_challenge(code_verifier: str) -> str:
    """The S256 challenge of a verifier of 43 to 128 characters (RFC 7636 §4.2)."""
    if not 43 <= len(code_verifier) <= 128:
        raise ValueError("a code verifier has 43 to 128 characters")
    return urlsafe_b64encode(hashlib.sha256(code_verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """`url`, which may have a query already, with `parameters` added."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(parameters)}"
