"""The rules over an ID token, each turned once from right to wrong."""

import json
import random
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from services.gateway.id_token import LEEWAY_S, Expected, Identity, identity_of
from services.gateway.identity import OpenIdSettings
from services.gateway.provider_metadata import code_challenge, is_acceptable_url, parse_metadata
from services.gateway.refusals import ProviderUnavailable, Refusal, SignInRefused, Unavailability
from services.gateway.token_signature import KEYS_MAX, find_key, read_header, usable_keys, verified_claims

ISSUER = "https://identity.example.edu"
NOW = datetime(2026, 6, 8, 9, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
EXPECTED = Expected(issuer=ISSUER, client_id="lixiao", nonce="n-1")
MISSING = object()

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that sign in, with `changes`; `MISSING` takes a claim away."""
    right: dict[str, Any] = {
        "iss": ISSUER,
        "sub": "u-1",
        "aud": "lixiao",
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "auth_time": NOW_S - 5,
        "nonce": "n-1",
        "name": "苏木槿",
        "student_id": "TS22010001",
    }
    return {name: value for name, value in {**right, **changes}.items() if value is not MISSING}


def refusal(given: dict[str, Any], expected: Expected = EXPECTED) -> Refusal:
    with pytest.raises(SignInRefused) as caught:
        identity_of(given, expected, NOW)
    return caught.value.reason_code


def test_right_claims_say_who_signed_in() -> None:
    identity = identity_of(claims(acr="mfa", roles=["certificate-desk"]), EXPECTED, NOW)
    assert identity == Identity(
        issuer=ISSUER,
        subject="u-1",
        student_id="TS22010001",
        name="苏木槿",
        roles=frozenset({"certificate-desk"}),
        authenticated_at=datetime.fromtimestamp(NOW_S - 5, UTC),
        acr="mfa",
    )


def test_an_identity_does_not_print_who_it_is() -> None:
    printed = repr(identity_of(claims(), EXPECTED, NOW))
    assert not [secret for secret in ("u-1", "苏木槿", "TS22010001") if secret in printed]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://elsewhere.example.edu"}, Refusal.WRONG_ISSUER),
        ({"iss": ISSUER + "/"}, Refusal.WRONG_ISSUER),
        ({"iss": MISSING}, Refusal.WRONG_ISSUER),
        ({"iss": [ISSUER]}, Refusal.WRONG_ISSUER),
        ({"aud": "another"}, Refusal.WRONG_AUDIENCE),
        ({"aud": []}, Refusal.WRONG_AUDIENCE),
        ({"aud": MISSING}, Refusal.WRONG_AUDIENCE),
        ({"aud": {"lixiao": True}}, Refusal.WRONG_AUDIENCE),
        ({"aud": ["lixiao", "another"]}, Refusal.WRONG_AUTHORIZED_PARTY),
        ({"aud": ["lixiao", "another"], "azp": "another"}, Refusal.WRONG_AUTHORIZED_PARTY),
        ({"azp": "another"}, Refusal.WRONG_AUTHORIZED_PARTY),
        ({"exp": NOW_S - LEEWAY_S}, Refusal.EXPIRED),
        ({"exp": MISSING}, Refusal.CLAIM_MALFORMED),
        ({"exp": "2999-01-01"}, Refusal.CLAIM_MALFORMED),
        ({"exp": True}, Refusal.CLAIM_MALFORMED),
        ({"exp": float("inf")}, Refusal.CLAIM_MALFORMED),
        ({"exp": float("nan")}, Refusal.CLAIM_MALFORMED),
        ({"exp": 10**30}, Refusal.CLAIM_MALFORMED),
        ({"iat": MISSING}, Refusal.CLAIM_MALFORMED),
        ({"iat": NOW_S + LEEWAY_S + 1}, Refusal.NOT_YET_VALID),
        ({"nbf": NOW_S + LEEWAY_S + 1}, Refusal.NOT_YET_VALID),
        ({"auth_time": NOW_S + LEEWAY_S + 1}, Refusal.NOT_YET_VALID),
        ({"nonce": "n-2"}, Refusal.WRONG_NONCE),
        ({"nonce": "\ud800"}, Refusal.WRONG_NONCE),
        ({"nonce": ""}, Refusal.WRONG_NONCE),
        ({"nonce": MISSING}, Refusal.WRONG_NONCE),
        ({"sub": MISSING}, Refusal.SUBJECT_MISSING),
        ({"sub": ""}, Refusal.SUBJECT_MISSING),
        ({"sub": 7}, Refusal.SUBJECT_MISSING),
        ({"sub": "u\x00"}, Refusal.SUBJECT_MISSING),
        ({"sub": "u" * 256}, Refusal.SUBJECT_MISSING),
        ({"student_id": 22010001}, Refusal.CLAIM_MALFORMED),
        ({"student_id": ["TS22010001", "TS22010002"]}, Refusal.CLAIM_MALFORMED),
        ({"student_id": "\ud800"}, Refusal.CLAIM_MALFORMED),
        ({"name": {"zh": "苏木槿"}}, Refusal.CLAIM_MALFORMED),
        ({"roles": ["certificate-desk", 1]}, Refusal.CLAIM_MALFORMED),
        ({"roles": ["r"] * 201}, Refusal.CLAIM_MALFORMED),
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, Refusal.WRONG_TYPE),
    ],
)
def test_one_wrong_claim_refuses_the_sign_in(changes: dict[str, Any], reason: Refusal) -> None:
    assert refusal(claims(**changes)) is reason


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW_S - LEEWAY_S + 1},
        {"iat": NOW_S + LEEWAY_S},
        {"aud": ["lixiao"]},
        {"aud": ["another", "lixiao"], "azp": "lixiao"},
        {"name": MISSING},
        {"name": "𰻝小苏·阿依"},
    ],
)
def test_what_the_standard_allows_signs_in(changes: dict[str, Any]) -> None:
    assert identity_of(claims(**changes), EXPECTED, NOW).subject == "u-1"


@pytest.mark.parametrize(("auth_time", "accepted"), [(NOW_S - 600 - LEEWAY_S, True), (NOW_S - 601 - LEEWAY_S, False)])
def test_an_authentication_older_than_asked_is_refused(auth_time: int, accepted: bool) -> None:
    expected = Expected(issuer=ISSUER, client_id="lixiao", nonce="n-1", max_age_s=600)
    given = claims(auth_time=auth_time)
    if accepted:
        assert identity_of(given, expected, NOW).authenticated_at.timestamp() == auth_time
    else:
        assert refusal(given, expected) is Refusal.AUTHENTICATION_TOO_OLD


def test_without_auth_time_a_bounded_age_is_refused_and_an_unbounded_one_counts_from_the_issue() -> None:
    bounded = Expected(issuer=ISSUER, client_id="lixiao", nonce="n-1", max_age_s=600)
    assert refusal(claims(auth_time=MISSING), bounded) is Refusal.AUTHENTICATION_TOO_OLD
    assert identity_of(claims(auth_time=MISSING), EXPECTED, NOW).authenticated_at == NOW


def test_a_required_acr_that_is_missing_or_another_is_refused() -> None:
    expected = Expected(issuer=ISSUER, client_id="lixiao", nonce="n-1", accepted_acrs=frozenset({"mfa"}))
    assert refusal(claims(), expected) is Refusal.ACR_NOT_ACCEPTED
    assert refusal(claims(acr="password"), expected) is Refusal.ACR_NOT_ACCEPTED
    assert identity_of(claims(acr="mfa"), expected, NOW).acr == "mfa"


def test_claims_are_found_where_the_configuration_says() -> None:
    expected = Expected(
        issuer=ISSUER,
        client_id="lixiao",
        nonce="n-1",
        student_id_claim="https://example.edu/number",
        roles_claim="realm_access.roles",
    )
    given = claims(**{"https://example.edu/number": ["TS22010009"], "realm_access": {"roles": ["desk"]}})
    identity = identity_of(given, expected, NOW)
    assert (identity.student_id, identity.roles) == ("TS22010009", frozenset({"desk"}))
    without = identity_of(claims(student_id=MISSING), expected, NOW)
    assert (without.student_id, without.roles) == (None, frozenset())


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("ES256", EC), ("EdDSA", ED), ("Ed25519", ED)])
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_each_allowed_algorithm_is_verified(algorithm: str, key: RSAKey | ECKey | OKPKey) -> None:
    token = jwt.encode({"alg": algorithm, "kid": key.kid}, claims(), key, [algorithm])
    keys = usable_keys({"keys": [k.as_dict(private=False) for k in (RSA, EC, ED)]})
    header = read_header(token)
    found = find_key(header, keys)
    assert found is not None
    assert verified_claims(token, header, found) == claims()


def test_a_changed_bit_anywhere_in_the_token_is_refused() -> None:
    token = jwt.encode({"alg": "ES256", "kid": "ec"}, claims(), EC, ["ES256"])
    keys = usable_keys({"keys": [EC.as_dict(private=False)]})
    rng = random.Random(7)
    for _ in range(200):
        at = rng.randrange(len(token) - 1)  # the last character also carries bits that mean nothing
        changed = token[:at] + chr(ord(token[at]) ^ 1) + token[at + 1 :]
        with pytest.raises(SignInRefused):
            _read(changed, keys)


def _read(token: str, keys: tuple[RSAKey | ECKey | OKPKey, ...]) -> dict[str, Any]:
    header = read_header(token)
    found = find_key(header, keys)
    if found is None:
        raise SignInRefused(Refusal.UNKNOWN_KEY)
    return verified_claims(token, header, found)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "none"}, Refusal.ALGORITHM_NOT_ALLOWED),
        ({"alg": "None"}, Refusal.ALGORITHM_NOT_ALLOWED),
        ({"alg": "HS256"}, Refusal.ALGORITHM_NOT_ALLOWED),
        ({"alg": "RS1"}, Refusal.ALGORITHM_NOT_ALLOWED),
        ({"alg": ["RS256"]}, Refusal.ALGORITHM_NOT_ALLOWED),
        ({}, Refusal.ALGORITHM_NOT_ALLOWED),
        ({"alg": "RS256", "typ": "at+jwt"}, Refusal.WRONG_TYPE),
        ({"alg": "RS256", "typ": "logout+jwt"}, Refusal.WRONG_TYPE),
        ({"alg": "RS256", "kid": 1}, Refusal.TOKEN_MALFORMED),
        ({"alg": "RS256", "crit": ["b64"], "b64": False}, Refusal.TOKEN_MALFORMED),
        ([], Refusal.TOKEN_MALFORMED),
    ],
)
def test_a_header_that_asks_for_too_much_is_refused(header: object, reason: Refusal) -> None:
    segment = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    with pytest.raises(SignInRefused) as caught:
        read_header(f"{segment}.e30.")
    assert caught.value.reason_code is reason


@pytest.mark.parametrize(
    "token", ["", "a.b", "a.b.c.d", "é.b.c", "!.b.c", "W" * 40_000 + ".b.c", "W1tb" * 5000 + ".b.c"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(SignInRefused) as caught:
        read_header(token)
    assert caught.value.reason_code is Refusal.TOKEN_MALFORMED


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_only_public_signing_keys_of_decent_length_are_used() -> None:
    documents: list[Any] = [
        RSAKey.generate_key(1024, {"kid": "short"}).as_dict(private=False),
        OctKey.generate_key(256, {"kid": "symmetric"}).as_dict(),
        {**EC.as_dict(private=False), "kid": "encryption", "use": "enc"},
        {"kty": "AKP", "kid": "of the future"},
        {"kty": "RSA", "kid": "broken", "n": 1},
        "not a key",
        EC.as_dict(private=False),
    ]
    assert [key.get("kid") for key in usable_keys({"keys": documents})] == ["ec"]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": {"kty": "RSA"}}])
def test_a_key_set_that_is_none_has_no_keys(document: object) -> None:
    assert usable_keys(document) == ()


def test_a_key_set_is_read_to_its_bound() -> None:
    entry = EC.as_dict(private=False)
    assert len(usable_keys({"keys": [entry] * (KEYS_MAX + 5)})) == KEYS_MAX


def test_a_token_without_key_id_is_served_only_when_one_key_can_be_meant() -> None:
    other = ECKey.generate_key("P-256", {"kid": "ec-2"})
    header = read_header(jwt.encode({"alg": "ES256"}, claims(), EC, ["ES256"]))
    assert find_key(header, (RSA, EC)) is EC
    assert find_key(header, (EC, other)) is None


def test_a_key_is_used_for_its_own_algorithm_only() -> None:
    bound = RSAKey.generate_key(2048, {"kid": "rsa", "alg": "RS512"})
    header = read_header(jwt.encode({"alg": "RS256", "kid": "rsa"}, claims(), RSA, ["RS256"]))
    assert find_key(header, (bound,)) is None


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("https://identity.example.edu/a", True),
        ("http://127.0.0.1:9/a", True),
        ("http://[::1]:9/a", True),
        ("http://localhost:9", True),
        ("http://identity.example.edu", False),
        ("http://127.0.0.1.example.edu", False),
        ("https://user:pass@example.edu", False),
        ("https://example.edu/#x", False),
        ("https://example.edu:port", False),
        ("https://exa mple.edu", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_only_https_or_this_machine_is_spoken_to(url: str, accepted: bool) -> None:
    assert is_acceptable_url(url, plain_http_allowed=True) is accepted


def _metadata(**changes: Any) -> dict[str, Any]:
    return {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/jwks",
        **changes,
    }


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ([], Unavailability.BAD_METADATA),
        (_metadata(issuer="https://elsewhere.example.edu"), Unavailability.ISSUER_MISMATCH),
        (_metadata(token_endpoint="http://127.0.0.1/token"), Unavailability.BAD_METADATA),
        (_metadata(jwks_uri="file:///etc/passwd"), Unavailability.BAD_METADATA),
        (_metadata(authorization_endpoint=None), Unavailability.BAD_METADATA),
        (_metadata(end_session_endpoint="javascript:alert(1)"), Unavailability.BAD_METADATA),
    ],
)
def test_metadata_that_is_not_this_issuers_or_leads_elsewhere_is_refused(
    document: object, reason: Unavailability
) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        parse_metadata(document, ISSUER)
    assert caught.value.reason_code is reason


def test_the_challenge_is_the_one_of_the_standards_example() -> None:
    with pytest.raises(ValueError, match="43 to 128"):
        code_challenge("too-short")
    # RFC 7636, appendix B
    challenge = code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://identity.example.edu"},
        {"client_secret": None},
        {"client_authentication": "none"},
        {"scope": "profile"},
    ],
)
def test_a_configuration_that_cannot_be_safe_is_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"issuer": ISSUER, "client_id": "lixiao", "client_secret": "s"}
    OpenIdSettings(**right)
    with pytest.raises(ValueError, match=r"issuer|secret|scope"):
        OpenIdSettings(**{**right, **wrong})
