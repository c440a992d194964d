"""The key of one run of the provider: made at the start, gone at the end, its public half at the JWKS address."""

from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

ALGORITHM = "RS256"


class SigningKey:
    """An RSA key whose id is its thumbprint, so a restart never gives an old id to a new key."""

    def __init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)

    def public_set(self) -> dict[str, Any]:
        """The JSON Web Key Set, public parts only."""
        return dict(KeySet([self._key]).as_dict(private=False))

    def sign(self, claims: dict[str, Any]) -> str:
        """The claims as a signed compact JWT."""
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, claims, self._key, [ALGORITHM])

    def audience_of(self, id_token: str) -> str | None:
        """Who one of our own tokens was for, expired or not; None when it is not ours."""
        try:
            audience = jwt.decode(id_token, self._key, [ALGORITHM]).claims.get("aud")
        except (JoseError, ValueError):
            return None
        return audience if isinstance(audience, str) else None
