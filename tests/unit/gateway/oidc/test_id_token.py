"""ID tokens, keys and discovery documents, each changed in one way from right to wrong."""

import json
import random
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from services.gateway.identity.authentication import LEEWAY_S
from services.gateway.identity.errors import ProviderUnavailable, Refusal, SignInRefused, Unavailability
from services.gateway.identity.http import is_secure_url
from services.gateway.identity.identity import MAX_STUDENT_IDS, Identity
from services.gateway.identity.oidc.claims import identity_of
from services.gateway.identity.oidc.discovery import MAX_KEYS, OpenIdSettings, endpoints_in, usable_keys
from services.gateway.identity.oidc.tokens import MAX_HEADER_BYTES, check_claims, verified_claims

ISSUER = "https://identity.example.edu"
NOW = datetime(2026, 6, 8, 9, 0, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
MISSING = object()

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
KEYS = (RSA, EC, ED)


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


def signed_in(
    given: dict[str, Any], nonce: str = "n-1", userinfo: dict[str, Any] | None = None, **names: Any
) -> Identity:
    settings = OpenIdSettings(ISSUER, "lixiao", "s", **names)
    check_claims(given, settings, nonce, NOW)
    return identity_of(given, settings, userinfo or {}, {})


def test_right_claims_say_who_signed_in_and_do_not_print_it() -> None:
    identity = signed_in(claims(roles=["certificate-desk"]))
    assert identity == Identity(
        issuer=ISSUER,
        subject="u-1",
        student_ids=("TS22010001",),
        name="苏木槿",
        roles=frozenset({"certificate-desk"}),
        authenticated_at=datetime.fromtimestamp(NOW_S - 5, UTC),
        auth_time=datetime.fromtimestamp(NOW_S - 5, UTC),
    )
    assert not [private for private in ("u-1", "苏木槿", "TS22010001") if private in repr(identity)]


WRONG_CLAIMS: dict[Refusal, list[dict[str, Any]]] = {
    Refusal.WRONG_ISSUER: [{"iss": f"{ISSUER}.evil.example"}, {"iss": ISSUER + "/"}, {"iss": MISSING}],
    Refusal.WRONG_AUDIENCE: [{"aud": "another"}, {"aud": []}, {"aud": MISSING}, {"aud": {"lixiao": True}}],
    Refusal.WRONG_AUTHORIZED_PARTY: [
        {"azp": "another"},
        {"aud": ["lixiao", "another"]},
        {"aud": ["lixiao", "another"], "azp": "another"},
    ],
    Refusal.EXPIRED: [{"exp": NOW_S - LEEWAY_S}, {"exp": MISSING}, {"exp": "2999-01-01"}, {"exp": float("nan")}],
    Refusal.NOT_YET_VALID: [
        {"iat": MISSING},
        *({name: NOW_S + LEEWAY_S + 1} for name in ("iat", "nbf", "auth_time")),
    ],
    Refusal.WRONG_NONCE: [{"nonce": "n-2"}, {"nonce": ["n-1"]}, {"nonce": ""}, {"nonce": MISSING}],
    Refusal.CLAIM_MALFORMED: [
        {"auth_time": "now"},
        *({"sub": wrong} for wrong in (MISSING, "", 7, "u\x00", "u" * 256)),
        *({"student_id": wrong} for wrong in (True, 22010001.0, {"$ne": ""}, [["TS22010001"]], ["TS22010001", None])),
        {"student_id": [f"TS220100{n:02}" for n in range(MAX_STUDENT_IDS + 1)]},
        *({"roles": wrong} for wrong in (["certificate-desk", 1], [f"r{n}" for n in range(201)])),
        {"name": {"zh": "苏木槿"}},
    ],
}


@pytest.mark.parametrize(("reason", "changes"), [(r, one) for r, several in WRONG_CLAIMS.items() for one in several])
def test_one_wrong_claim_refuses_the_sign_in(changes: dict[str, Any], reason: Refusal) -> None:
    with pytest.raises(SignInRefused, match=f"^{reason}$"):
        signed_in(claims(**changes))


@pytest.mark.parametrize("nonce", ["", MISSING])
def test_a_sign_in_that_lost_its_nonce_is_refused(nonce: object) -> None:
    with pytest.raises(SignInRefused, match="wrong_nonce"):
        signed_in(claims(nonce=nonce), nonce="")


@pytest.mark.parametrize(
    "changes",
    [
        *({"exp": NOW_S - LEEWAY_S + 1}, {"iat": NOW_S + LEEWAY_S}, {"auth_time": NOW_S + LEEWAY_S}),
        *({"aud": ["lixiao"]}, {"aud": ["another", "lixiao"], "azp": "lixiao"}),
        *({"name": MISSING}, {"name": "𰻝小苏·阿依"}),
    ],
)
def test_what_the_standard_allows_signs_in(changes: dict[str, Any]) -> None:
    assert signed_in(claims(**changes)).subject == "u-1"


def test_without_auth_time_the_authentication_counts_from_the_issue() -> None:
    assert signed_in(claims(auth_time=MISSING)).authenticated_at == NOW


def test_claims_are_found_where_the_configuration_says() -> None:
    given = claims(**{"https://example.edu/number": ["TS22010009"], "realm_access": {"roles": ["desk"]}})
    identity = signed_in(given, student_id_claim="https://example.edu/number", roles_claim="realm_access.roles")
    assert (identity.student_ids, identity.roles) == (("TS22010009",), frozenset({"desk"}))
    without = signed_in(claims(student_id=MISSING))
    assert (without.student_ids, without.roles) == ((), frozenset())


@pytest.mark.parametrize(
    ("claimed", "read"),
    [
        *((" ts22010001", ("TS22010001",)), ("ＴＳ２２０１０００１\u3000", ("TS22010001",))),
        *((22010001, ("22010001",)), ([22010001], ("22010001",))),
        *(
            (["TS22010001", "ts22010002"], ("TS22010001", "TS22010002")),
            (["TS22010001", "ts22010001"], ("TS22010001",)),
        ),
        *((["TS22010001", "", "校友", "\ud800"], ("TS22010001",)), ("校友", ()), (-5, ()), ("", ()), ([], ())),
    ],
)
def test_a_student_number_is_read_as_providers_write_it(claimed: object, read: tuple[str, ...]) -> None:
    assert signed_in(claims(student_id=claimed)).student_ids == read


def test_userinfo_adds_what_the_id_token_lacks_and_changes_nothing_in_it() -> None:
    there = {"iss": "x", "auth_time": 7, "name": "另一人", "student_id": "TS22010002", "realm": {"roles": ["desk"]}}
    whole = signed_in(claims(), userinfo=there, roles_claim="realm.roles")
    assert (whole.issuer, whole.name, whole.student_ids) == (ISSUER, "苏木槿", ("TS22010001",))
    assert whole.roles == {"desk"}
    bare = signed_in(claims(student_id=[], name=MISSING, auth_time=MISSING), userinfo=there)
    assert (bare.student_ids, bare.name, bare.authenticated_at) == (("TS22010002",), "另一人", NOW)


def token_of(key: Key, algorithm: str, header: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": key.kid, **(header or {})}, claims(**changes), key, [algorithm])


@pytest.mark.parametrize(
    ("algorithm", "key"), [("RS256", RSA), ("PS256", RSA), ("ES256", EC), ("EdDSA", ED), ("Ed25519", ED)]
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_each_allowed_algorithm_is_verified(algorithm: str, key: Key) -> None:
    assert verified_claims(token_of(key, algorithm), KEYS) == claims()


def test_a_changed_bit_anywhere_in_the_token_is_refused() -> None:
    token = token_of(EC, "ES256")
    rng = random.Random(7)
    for _ in range(200):
        at = rng.randrange(len(token) - 1)  # the last character also carries bits that mean nothing
        with pytest.raises(SignInRefused):
            verified_claims(token[:at] + chr(ord(token[at]) ^ 1) + token[at + 1 :], KEYS)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        *(({"alg": wrong}, Refusal.ALGORITHM_NOT_ALLOWED) for wrong in ("none", "None", "HS256", "ES256K")),
        *(({}, Refusal.ALGORITHM_NOT_ALLOWED), ([], Refusal.ALGORITHM_NOT_ALLOWED)),
        *(("alg", Refusal.TOKEN_MALFORMED), (7, Refusal.TOKEN_MALFORMED)),
        ({"alg": ["RS256"]}, Refusal.TOKEN_MALFORMED),
        *(({"alg": "RS256", name: 1}, Refusal.TOKEN_MALFORMED) for name in ("kid", "typ", "crit")),
    ],
)
def test_a_header_that_asks_for_too_much_is_refused(header: object, reason: Refusal) -> None:
    segment = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    with pytest.raises(SignInRefused, match=f"^{reason}$"):
        verified_claims(f"{segment}.e30.", KEYS)


@pytest.mark.parametrize(
    ("header", "more_claims", "reason"),
    [
        ({"typ": "at+jwt"}, {}, Refusal.WRONG_TYPE),
        ({"typ": "logout+jwt"}, {}, Refusal.WRONG_TYPE),
        ({}, {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, Refusal.WRONG_TYPE),
        ({"crit": ["b64"], "b64": True}, {}, Refusal.TOKEN_MALFORMED),
        ({"kid": "unknown"}, {}, Refusal.UNKNOWN_KEY),
        ({"kid": "rsa"}, {}, Refusal.UNKNOWN_KEY),
    ],
)
def test_a_signed_token_of_another_kind_or_key_is_refused(
    header: dict[str, Any], more_claims: dict[str, Any], reason: Refusal
) -> None:
    with pytest.raises(SignInRefused, match=f"^{reason}$"):
        verified_claims(token_of(EC, "ES256", header, **more_claims), KEYS)


@pytest.mark.parametrize("token", ["", "a.b", "é.b.c", "W1tb" * 90_000 + ".b.c"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(SignInRefused, match="token_malformed"):
        verified_claims(token, KEYS)


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_only_public_signing_keys_of_decent_length_are_used() -> None:
    documents: list[Any] = [
        RSAKey.generate_key(1024, {"kid": "short"}).as_dict(private=False),
        OctKey.generate_key(256, {"kid": "symmetric"}).as_dict(),
        {**EC.as_dict(private=False), "kid": "encryption", "use": "enc"},
        {**EC.as_dict(private=False), "kid": "no verification", "key_ops": ["deriveKey"]},
        {"kty": "AKP", "kid": "of the future"},
        {"kty": "RSA", "kid": "broken", "n": 1},
        "not a key",
        EC.as_dict(private=False),
    ]
    assert [key.kid for key in usable_keys({"keys": documents})] == ["ec"]


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {"kty": "RSA"}}])
def test_a_key_set_that_is_none_has_no_keys(document: dict[str, Any]) -> None:
    assert not usable_keys(document)


def test_a_key_set_is_read_to_its_bound() -> None:
    assert len(usable_keys({"keys": [EC.as_dict(private=False)] * (MAX_KEYS + 5)})) == MAX_KEYS


def test_a_token_without_key_id_is_served_only_when_one_key_can_be_meant() -> None:
    token = jwt.encode({"alg": "ES256"}, claims(), EC, ["ES256"])
    assert verified_claims(token, [RSA, EC]) == claims()
    with pytest.raises(SignInRefused, match="unknown_key"):
        verified_claims(token, [EC, ECKey.generate_key("P-256", {"kid": "ec-2"})])


def unnamed(key: Key) -> dict[str, Any]:
    return {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}


def test_a_token_that_names_a_key_is_served_by_one_without_a_name() -> None:
    other = ECKey.generate_key("P-256")
    token = token_of(EC, "ES256")
    assert verified_claims(token, usable_keys({"keys": [unnamed(RSA), unnamed(EC)]})) == claims()
    assert verified_claims(token, usable_keys({"keys": [unnamed(other), unnamed(EC)]})) == claims()
    with pytest.raises(SignInRefused, match="bad_signature"):
        verified_claims(token, usable_keys({"keys": [unnamed(other)]}))


def test_a_key_of_another_name_or_of_no_name_beside_the_named_one_is_not_tried() -> None:
    other = ECKey.generate_key("P-256")
    with pytest.raises(SignInRefused, match="unknown_key"):
        verified_claims(token_of(EC, "ES256", {"kid": "ec-2"}), usable_keys({"keys": [EC.as_dict(private=False)]}))
    replaced = {**unnamed(other), "kid": "ec"}
    with pytest.raises(SignInRefused, match="bad_signature"):
        verified_claims(token_of(EC, "ES256"), usable_keys({"keys": [replaced, unnamed(EC)]}))


def test_two_keys_of_one_name_both_serve_while_one_replaces_the_other() -> None:
    other = ECKey.generate_key("P-256", {"kid": "ec"})
    keys = usable_keys({"keys": [other.as_dict(private=False), EC.as_dict(private=False)]})
    assert verified_claims(token_of(EC, "ES256"), keys) == claims()


def test_a_certificate_chain_in_the_header_is_carried_and_not_used() -> None:
    chain = ["M" * 2200] * 4
    assert verified_claims(token_of(EC, "ES256", {"x5c": chain}), KEYS) == claims()
    with pytest.raises(SignInRefused, match="token_malformed"):
        verified_claims(token_of(EC, "ES256", {"x5c": ["M" * MAX_HEADER_BYTES]}), KEYS)


def test_a_key_is_used_for_its_own_algorithm_only() -> None:
    bound = RSAKey.import_key({**RSA.as_dict(private=False), "alg": "RS512"})
    with pytest.raises(SignInRefused, match="unknown_key"):
        verified_claims(token_of(RSA, "RS256"), [bound])


@pytest.mark.parametrize(
    "url", ["https://identity.example.edu/a", "http://127.0.0.1:9/a", "http://[::1]:9/a", "http://localhost:9"]
)
def test_https_and_this_machine_are_called(url: str) -> None:
    assert is_secure_url(url, loopback_allowed=True)


@pytest.mark.parametrize(
    "url",
    [
        *("http://identity.example.edu", "http://127.0.0.1.example.edu", "file:///etc/passwd", "", None),
        *("https://user:pass@example.edu", "https://example.edu\\@elsewhere.example.edu", "https://example.edu/#x"),
        *("https://example.edu:port", "https://example.edu/\n"),
    ],
)
def test_no_other_address_is_called(url: object) -> None:
    assert not is_secure_url(url, loopback_allowed=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issuer": "https://elsewhere.example.edu"}, Unavailability.ISSUER_MISMATCH),
        ({"token_endpoint": "http://127.0.0.1/token"}, Unavailability.BAD_METADATA),
        ({"jwks_uri": "file:///etc/passwd"}, Unavailability.BAD_METADATA),
        ({"authorization_endpoint": None}, Unavailability.BAD_METADATA),
        ({"end_session_endpoint": "javascript:alert(1)"}, Unavailability.BAD_METADATA),
    ],
)
def test_metadata_that_is_not_this_issuers_or_leads_elsewhere_is_refused(
    changes: dict[str, Any], reason: Unavailability
) -> None:
    right = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/authorize",
        "token_endpoint": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/jwks",
        "end_session_endpoint": None,
    }
    assert "jwks_uri" in endpoints_in(right, ISSUER)
    with pytest.raises(ProviderUnavailable, match=reason):
        endpoints_in({**right, **changes}, ISSUER)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"issuer": "http://identity.example.edu"}, {"scope": "profile"}),
        *({"client_secret": None}, {"client_authentication": "none"}, {"client_secret_file": Path("secret")}),
    ],
)
def test_a_configuration_that_cannot_be_safe_is_refused(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"issuer": ISSUER, "client_id": "lixiao", "client_secret": "s"}
    OpenIdSettings(**right)
    with pytest.raises(ValueError, match=r"issuer|secret|scope"):
        OpenIdSettings(**{**right, **wrong})
