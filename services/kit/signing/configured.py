"""Signer and verifier of a service by its settings."""

from collections.abc import Iterable

from schemas.flows import flows
from services.kit.settings import Settings
from services.kit.signing.keys import PrivateKey, TrustedKeys
from services.kit.signing.records import RecordSigner, RecordVerifier, Verify


def signer_of(settings: Settings) -> RecordSigner | None:
    if settings.signing_key is None:
        return None
    return RecordSigner(PrivateKey(settings.signing_key), settings.topics.signed)


def verifier_of(settings: Settings, departments: Iterable[str]) -> Verify | None:
    """None without keys: every record is believed."""
    if settings.trusted_keys is None:
        return None
    topics = settings.topics
    senders = {flow.topic: flow.sender for flow in flows(topics, departments) if topics.signed(flow.topic)}
    return RecordVerifier(TrustedKeys(settings.trusted_keys), senders)


async def unverified(settings: Settings) -> str | None:
    """A warning of readiness."""
    if settings.trusted_keys is not None and settings.signing_key is not None:
        return None
    return "records are not signed or not verified: whoever can write to a topic is believed"
