"""Ed25519 keys of services, a PEM file each.

`<folder>/<service>/<kid>.pem` are the public keys that are believed. A file added or removed counts within seconds, in
running services too: keys are rotated by adding the new one everywhere first, and revoked by removing theirs.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from services.kit.runtime.private_files import write_private

_log = structlog.get_logger(__name__)
READ_AGAIN_EVERY_S: Final = 1.0
_MISSING_AGAIN_EVERY_S: Final = 0.1
T = TypeVar("T")


def key_id(key: Ed25519PublicKey) -> str:
    """The start of the SHA-256 of the raw public key, in hexadecimal."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def create_key(private: Path, trusted: Path, service: str) -> str:
    """Writes both files, replaces the private one, and returns the key's id."""
    key = Ed25519PrivateKey.generate()
    kid = key_id(key.public_key())
    public = trusted / service / f"{kid}.pem"
    public.parent.mkdir(parents=True, exist_ok=True)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    return kid


class _Reread(Generic[T]):
    """What `read` makes of files, read again when `version` of them has changed.

    What cannot be read while the service runs, as a file that is just being copied, changes nothing.
    """

    def __init__(self, version: Callable[[], object], read: Callable[[], T]) -> None:
        self._version, self._read = version, read
        self._known = version()
        self._value = read()
        self._looked_at = time.monotonic()

    def value(self, every_s: float | None = None) -> T:
        now = time.monotonic()
        if now - self._looked_at >= (READ_AGAIN_EVERY_S if every_s is None else every_s):
            self._looked_at = now
            try:
                version = self._version()
                if version != self._known:
                    self._value, self._known = self._read(), version
            except (OSError, ValueError) as error:
                _log.error("signing_key.skipped", error=type(error).__name__)
        return self._value


class PrivateKey:
    """Raises `ValueError` and `OSError` for a file that holds no Ed25519 key."""

    def __init__(self, file: Path) -> None:
        self._pair = _Reread(lambda: _stamp(file), lambda: _private(file))

    def sign(self, message: bytes) -> tuple[str, bytes]:
        """Key id and signature."""
        kid, key = self._pair.value()
        return kid, key.sign(message)


class TrustedKeys:
    """Raises `ValueError` for a file that holds no Ed25519 key or has another one's name.

    Such a file that comes later is left out: the others count, and one that is removed counts no more.
    """

    def __init__(self, folder: Path) -> None:
        for file in folder.glob("*/*.pem"):
            _public(file)
        self._keys = _Reread(lambda: _files(folder), lambda: _trusted(folder))

    def find(self, service: str, kid: str) -> Ed25519PublicKey | None:
        found = self._keys.value().get((service, kid))
        # A key may have been used right after it was added.
        return found or self._keys.value(_MISSING_AGAIN_EVERY_S).get((service, kid))


def private_key_id(file: Path) -> str | None:
    """None while the file holds no key."""
    try:
        return _private(file)[0]
    except (OSError, ValueError):
        return None


def key_ids(folder: Path) -> list[tuple[str, str, Path]]:
    """Service, key id and file of every key that is believed."""
    return [(service, kid, folder / service / f"{kid}.pem") for service, kid in sorted(_trusted(folder))]


def _private(file: Path) -> tuple[str, Ed25519PrivateKey]:
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{file.name}: it is no Ed25519 key")
    return key_id(key.public_key()), key


def _trusted(folder: Path) -> dict[tuple[str, str], Ed25519PublicKey]:
    found = {}
    for file in sorted(folder.glob("*/*.pem")):
        try:
            found[file.parent.name, file.stem] = _public(file)
        except (OSError, ValueError) as error:
            _log.error("signing_key.skipped", service=file.parent.name, error=type(error).__name__)
    return found


def _public(file: Path) -> Ed25519PublicKey:
    key = load_pem_public_key(file.read_bytes())
    if not isinstance(key, Ed25519PublicKey) or key_id(key) != file.stem:
        raise ValueError(f"{file.parent.name}/{file.name}: it is no Ed25519 key of this id")
    return key


def _stamp(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _files(folder: Path) -> dict[Path, tuple[int, int, int]]:
    return {file: _stamp(file) for file in folder.glob("*/*.pem")}
