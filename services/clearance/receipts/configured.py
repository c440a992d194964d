"""The signing keys, in the store that the settings name."""

from functools import cache
from pathlib import Path

from services.clearance.receipts.private_keys.files import FileKeys
from services.clearance.receipts.private_keys.pkcs11_token import TokenKeys
from services.clearance.receipts.private_keys.store import KeyStore
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.settings import ClearanceSettings


def keyring_of(settings: ClearanceSettings) -> Keyring:
    return Keyring(_store_of(settings))


def _store_of(settings: ClearanceSettings) -> KeyStore:
    if settings.keys_module is None:
        return FileKeys(settings.keys)
    assert settings.keys_pin is not None
    return _token(settings.keys_module, settings.keys_token, settings.keys_pin)


@cache
def _token(module: Path, token: str, pin: str) -> TokenKeys:
    return TokenKeys(module, token, pin)
