"""Why a sign-in failed, as two closed lists that are safe to log and show."""

from enum import StrEnum


class Refusal(StrEnum):
    CODE_REFUSED = "code_refused"
    TICKET_REFUSED = "ticket_refused"
    TOKEN_MALFORMED = "token_malformed"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_AUTHORIZED_PARTY = "wrong_authorized_party"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_NONCE = "wrong_nonce"
    WRONG_SUBJECT = "wrong_subject"
    CLAIM_MALFORMED = "claim_malformed"
    STALE_AUTHENTICATION = "stale_authentication"
    """Longer ago than a role of the person allows, or the provider does not say when."""
    WEAK_AUTHENTICATION = "weak_authentication"
    """In none of the ways (`acr`) that a role of the person asks for."""
    REPLAYED = "replayed"
    """A logout token that was taken before."""


class Unavailability(StrEnum):
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    REDIRECTED = "redirected"
    TOO_LARGE = "too_large"
    BAD_STATUS = "bad_status"
    NOT_JSON = "not_json"
    BAD_ANSWER = "bad_answer"
    """Of a CAS server: not the XML of a service response, or one that says too much."""
    SIGNED_RESPONSE = "signed_response"
    """Userinfo as a JWT, which this client did not request."""
    BAD_METADATA = "bad_metadata"
    ISSUER_MISMATCH = "issuer_mismatch"
    NO_KEYS = "no_keys"
    UNVERIFIED = "unverified"
    """A refreshed ID token that none of the known keys has signed."""
    CLIENT_REJECTED = "client_rejected"
    NO_SECRET = "no_secret"
    """The file of the client secret cannot be read."""


class SignInRefused(Exception):
    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class ProviderUnavailable(Exception):
    """The person who signs in did nothing wrong."""

    def __init__(self, reason: Unavailability) -> None:
        super().__init__(reason.value)
        self.reason = reason
