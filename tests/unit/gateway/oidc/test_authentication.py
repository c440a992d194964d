"""What roles ask of a sign-in, alone and together."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from services.gateway.identity.authentication import required_context
from services.gateway.identity.errors import Refusal
from services.gateway.identity.identity import Identity
from services.gateway.settings import RoleContext

NOW = datetime(2026, 6, 5, 8, 0, tzinfo=UTC)
BY_ROLE = {
    "certificate-desk": RoleContext(max_age_s=28_800, acr=("mfa", "smartcard")),
    "desk:finance": RoleContext(max_age_s=3_600),
    "desk:dorm": RoleContext(acr=("smartcard",)),
}


def signed_in(hours_ago: float | None, acr: str | None) -> Identity:
    at = None if hours_ago is None else NOW - timedelta(hours=hours_ago)
    return Identity(
        issuer="i",
        subject="s",
        student_ids=(),
        name=None,
        roles=frozenset(),
        authenticated_at=at or NOW,
        auth_time=at,
        acr=acr,
    )


@pytest.mark.parametrize(
    ("roles", "hours_ago", "acr", "unmet"),
    [
        ((), None, None, None),
        (("desk:library",), None, None, None),
        (("desk:finance",), 0.9, None, None),
        (("desk:finance",), 1.1, None, Refusal.STALE_AUTHENTICATION),
        (("desk:finance",), None, None, Refusal.STALE_AUTHENTICATION),
        (("desk:dorm",), None, "smartcard", None),
        (("desk:dorm",), None, "mfa", Refusal.WEAK_AUTHENTICATION),
        (("desk:dorm",), None, None, Refusal.WEAK_AUTHENTICATION),
        (("certificate-desk",), 7, "mfa", None),
        (("certificate-desk", "desk:finance"), 7, "mfa", Refusal.STALE_AUTHENTICATION),
        (("certificate-desk", "desk:dorm"), 7, "mfa", Refusal.WEAK_AUTHENTICATION),
        (("certificate-desk", "desk:dorm"), 7, "smartcard", None),
    ],
)
def test_every_role_of_a_person_has_to_be_satisfied(
    roles: tuple[str, ...], hours_ago: float | None, acr: str | None, unmet: Refusal | None
) -> None:
    assert required_context(BY_ROLE, roles).unmet(signed_in(hours_ago, acr), NOW) is unmet


def test_the_provider_is_asked_for_the_shortest_age_and_for_every_way_that_would_do() -> None:
    assert required_context(BY_ROLE, BY_ROLE).parameters() == {"max_age": "3600", "acr_values": "mfa smartcard"}
    assert required_context(BY_ROLE, ["desk:library"]).parameters() == {}


def test_a_session_ends_when_its_sign_in_gets_too_old_and_lives_a_minute_at_least() -> None:
    context = required_context(BY_ROLE, ["desk:finance"])
    assert context.ends_at(NOW, NOW) == NOW + timedelta(hours=1)
    assert context.ends_at(NOW - timedelta(hours=1), NOW) == NOW + timedelta(minutes=1)
    assert required_context(BY_ROLE, ["desk:dorm"]).ends_at(NOW, NOW) is None


@pytest.mark.parametrize("wrong", [{"max_age_s": 5}, {"acr": ["two words"]}, {"max_age": 300}])
def test_a_setting_that_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RoleContext.model_validate(wrong)
