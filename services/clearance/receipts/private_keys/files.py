"""Private keys as files of one folder, `<kid>.jwk`."""

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from services.clearance.receipts.private_keys.store import KID, KeyMissing, kid_of_key
from services.kit.receipts.jws import ALGORITHM, Signer
from services.kit.runtime.private_files import write_private


@dataclass(frozen=True, slots=True)
class LoadedKey:
    """`key` has its private part."""

    kid: str
    key: OKPKey

    def sign(self, message: bytes) -> bytes:
        private = self.key.private_key
        assert isinstance(private, Ed25519PrivateKey)
        return private.sign(message)


class FileKeys:
    """The folder is made with its first key."""

    place = "the folder of keys"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, LoadedKey] = {}

    def make(self) -> tuple[str, OKPKey]:
        key = OKPKey.generate_key(ALGORITHM)
        kid = kid_of_key(key)
        write_private(self._path(kid), json.dumps({**key.as_dict(private=True), "kid": kid}))
        return kid, _public_part(key)

    def holds(self, kid: str) -> bool:
        return KID.fullmatch(kid) is not None and self._path(kid).exists()

    def public(self, kid: str) -> OKPKey:
        return _public_part(self._load(kid).key)

    def signer(self, kid: str) -> Signer:
        if kid not in self._loaded:
            self._loaded[kid] = self._load(kid)
        return self._loaded[kid]

    def destroy(self, kid: str) -> bool:
        self._loaded.pop(kid, None)
        held = self.holds(kid)
        if held:
            self._path(kid).unlink(missing_ok=True)
        return held

    def _path(self, kid: str) -> Path:
        return self._folder / f"{kid}.jwk"

    def _load(self, kid: str) -> LoadedKey:
        try:
            return LoadedKey(kid, OKPKey.import_key(json.loads(self._path(kid).read_text("utf-8"))))
        except FileNotFoundError:
            raise KeyMissing(f"the folder of keys has no file {kid}.jwk: bring it here, or rotate the key") from None


def _public_part(key: OKPKey) -> OKPKey:
    return OKPKey.import_key(key.as_dict(private=False))
