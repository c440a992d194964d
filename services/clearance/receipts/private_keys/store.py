"""Where the private parts of signing keys are held: they sign there, and may never leave it."""

import re
from typing import Final, Protocol

from joserfc.jwk import OKPKey

from services.kit.receipts.jws import Signer

KID_CHARACTERS: Final = 16
KID: Final = re.compile(rf"[A-Za-z0-9_-]{{{KID_CHARACTERS}}}")


class KeyMissing(RuntimeError):
    """The private part of a key cannot be used: it is not there, or its token does not answer. Says what to do."""


class KeyStore(Protocol):
    """Methods block, raise `KeyMissing` if the store does not answer, and may be called from any thread."""

    place: str
    """For people: `the folder of keys`."""

    def make(self) -> tuple[str, OKPKey]:
        """kid and public key of a new key."""
        ...

    def holds(self, kid: str) -> bool: ...

    def public(self, kid: str) -> OKPKey:
        """Of a key that it holds."""
        ...

    def signer(self, kid: str) -> Signer: ...

    def destroy(self, kid: str) -> bool:
        """False if it does not hold the key."""
        ...


def kid_of_key(public: OKPKey) -> str:
    """The beginning of the RFC 7638 thumbprint."""
    return public.thumbprint()[:KID_CHARACTERS]
