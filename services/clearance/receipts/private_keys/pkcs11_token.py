"""Private keys in a token that speaks PKCS#11 (an HSM): made there, and not to be read out.

Keys are found by their public parts: a token need not let a key be named after it was made.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import pkcs11
from joserfc.jwk import OKPKey
from pkcs11.exceptions import PKCS11Error, UserAlreadyLoggedIn
from pkcs11.types import SignMixin

from services.clearance.receipts.private_keys.store import KeyMissing, kid_of_key
from services.kit.receipts.jws import ALGORITHM, Signer

LABEL: Final = "lixiao form"
_ED25519: Final = bytes.fromhex("06032b6570")
"""DER of its object identifier, 1.3.101.112 (RFC 8410)."""
_POINT_BYTES: Final = 32
_ID_BYTES: Final = 16
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """`kid` is known to be in the token."""

    kid: str
    tokens: "TokenKeys"

    def sign(self, message: bytes) -> bytes:
        return self.tokens.sign(self.kid, message)


class TokenKeys:
    """One session, opened at the first use and again after an error. One a process: the login is the process's."""

    def __init__(self, module: Path, token: str, pin: str) -> None:
        """`module`: the vendor's library; `token`: its label."""
        self.place = f"the token {token}"
        self._module, self._token, self._pin = str(module), token, pin
        self._lock = Lock()
        self._session: pkcs11.Session | None = None
        self._ids: dict[str, bytes] = {}

    def make(self) -> tuple[str, OKPKey]:
        return self._in_session(self._make)

    def holds(self, kid: str) -> bool:
        return self._in_session(lambda session: kid in self._known(session, kid))

    def public(self, kid: str) -> OKPKey:
        return self._in_session(lambda session: _public(self._one(session, kid, pkcs11.ObjectClass.PUBLIC_KEY)))

    def signer(self, kid: str) -> Signer:
        self._in_session(lambda session: self._one(session, kid, pkcs11.ObjectClass.PRIVATE_KEY))
        return TokenKey(kid, self)

    def sign(self, kid: str, message: bytes) -> bytes:
        def signed(session: pkcs11.Session) -> bytes:
            key = self._one(session, kid, pkcs11.ObjectClass.PRIVATE_KEY)
            assert isinstance(key, SignMixin)
            return bytes(key.sign(message, mechanism=pkcs11.Mechanism.EDDSA))

        return self._in_session(signed)

    def destroy(self, kid: str) -> bool:
        def destroyed(session: pkcs11.Session) -> bool:
            if kid not in self._known(session, kid):
                return False
            for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY):
                self._one(session, kid, kind).destroy()
            self._ids.pop(kid)
            return True

        return self._in_session(destroyed)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _make(self, session: pkcs11.Session) -> tuple[str, OKPKey]:
        curve = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS, {pkcs11.Attribute.EC_PARAMS: _ED25519}, local=True
        )
        own_id = secrets.token_bytes(_ID_BYTES)
        public, _ = curve.generate_keypair(
            mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            id=own_id,
            label=LABEL,
            store=True,
            capabilities=pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
        )
        key = _public(public)
        kid = kid_of_key(key)
        self._ids[kid] = own_id
        return kid, key

    def _known(self, session: pkcs11.Session, kid: str) -> dict[str, bytes]:
        """Id in the token by kid; all are looked at for one that is not known."""
        if kid not in self._ids:
            public = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.Attribute.LABEL: LABEL}
            found = list(session.get_objects(public))
            self._ids = {kid_of_key(_public(one)): bytes(one[pkcs11.Attribute.ID]) for one in found}
        return self._ids

    def _one(self, session: pkcs11.Session, kid: str, kind: pkcs11.ObjectClass) -> pkcs11.Object:
        own_id = self._known(session, kid).get(kid)
        wanted = {pkcs11.Attribute.CLASS: kind, pkcs11.Attribute.LABEL: LABEL, pkcs11.Attribute.ID: own_id}
        found = list(session.get_objects(wanted)) if own_id else []
        if len(found) != 1:
            raise KeyMissing(f"{self.place} has no key {kid}: connect the token that has it, or rotate the key")
        return found[0]

    def _in_session(self, work: Callable[[pkcs11.Session], Answer]) -> Answer:
        """Raises `KeyMissing` if a new session fails too."""
        with self._lock:
            try:
                return work(self._opened())
            except PKCS11Error:
                self._close()
            try:
                return work(self._opened())
            except PKCS11Error as error:
                self._close()
                raise KeyMissing(f"{self.place} does not answer ({type(error).__name__})") from error

    def _opened(self) -> pkcs11.Session:
        if self._session is None:
            token = pkcs11.lib(self._module).get_token(token_label=self._token)
            try:
                self._session = token.open(rw=True, user_pin=self._pin)
            except UserAlreadyLoggedIn:
                self._session = token.open(rw=True)
        return self._session

    def _close(self) -> None:
        session, self._session, self._ids = self._session, None, {}
        if session is not None:
            with suppress(PKCS11Error):  # It may be gone already.
                session.close()


def _public(key: pkcs11.Object) -> OKPKey:
    """The point is raw or wrapped in an OCTET STRING, as tokens differ."""
    point = bytes(key[pkcs11.Attribute.EC_POINT])[-_POINT_BYTES:]
    x = urlsafe_b64encode(point).rstrip(b"=").decode()
    return OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": x})
