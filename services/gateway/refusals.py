"""Why somebody was not signed in, in two closed lists. No token, code, name or number is ever part of a reason."""

from enum import StrEnum


class Refusal(StrEnum):
    """Why a sign-in was refused. Safe to log, to count and to show."""

    CODE_REFUSED = "code_refused"
    TOKEN_MISSING = "token_missing"
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
    SUBJECT_MISSING = "subject_missing"
    AUTHENTICATION_TOO_OLD = "authentication_too_old"
    ACR_NOT_ACCEPTED = "acr_not_accepted"
    CLAIM_MALFORMED = "claim_malformed"


class SignInRefused(Exception):
    """The provider answered, and its answer does not sign anybody in."""

    def __init__(self, reason_code: Refusal) -> None:
        super().__init__(reason_code.value)
        self.reason_code = reason_code


class Unavailability(StrEnum):
    """Why the provider could not be used. Safe to log, to count and to show."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    REDIRECTED = "redirected"
    TOO_LARGE = "too_large"
    BAD_STATUS = "bad_status"
    NOT_JSON = "not_json"
    BAD_METADATA = "bad_metadata"
    ISSUER_MISMATCH = "issuer_mismatch"
    NO_KEYS = "no_keys"
    CLIENT_REJECTED = "client_rejected"


class ProviderUnavailable(Exception):
    """The provider is away, or does not behave as one: nobody can sign in now, and it is not the person's doing."""

    def __init__(self, reason_code: Unavailability) -> None:
        super().__init__(reason_code.value)
        self.reason_code = reason_code
