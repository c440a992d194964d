"""Standing forms signed again with the key that signs now, because the one before leaked.

What is signed stays the same, number and code with it; the signature before is kept, and the acceptance is published
again with the new one.
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from joserfc.jwk import OKPKey

from services.clearance.receipts.payload import Receipt
from services.clearance.receipts.private_keys.in_thread import in_thread
from services.clearance.receipts.signing_keys import Keyring
from services.clearance.submission import submission_store
from services.clearance.submission.events import publish
from services.kit.audit import log
from services.kit.postgres.pool import Connection
from services.kit.receipts.jws import InvalidSignature, public_keys, sign, verify

AT_ONCE: Final = 100
FIRST: Final = UUID(int=0)
_FORMS: Final = """
SELECT attempt_id, student_id, form_number, receipt FROM submission
WHERE kid = $1 AND attempt_id > $2
  AND NOT EXISTS (SELECT FROM form_void WHERE form_void.attempt_id = submission.attempt_id)
ORDER BY attempt_id LIMIT $3 FOR UPDATE
"""
_KEEP: Final = "INSERT INTO former_signature (attempt_id, kid, receipt, replaced_by) VALUES ($1, $2, $3, $4)"
_REPLACE: Final = "UPDATE submission SET receipt = $2, qr_text = $3, kid = $4 WHERE attempt_id = $1"


class NotToBeReplaced(ValueError):
    """Says why no form of this key is signed again."""


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """`unsound`: numbers of forms whose signature in the database does not fit. `last`: where the next batch begins."""

    signed: int
    unsound: tuple[str, ...]
    last: UUID | None


@dataclass(frozen=True, slots=True)
class SigningAgain:
    """`topic` of the submissions. Methods take part in the caller's transaction."""

    keyring: Keyring
    topic: str

    async def batch(self, connection: Connection, kid: str, *, after: UUID, actor: str) -> SignedBatch:
        """The next forms signed with `kid`. Raises `NotToBeReplaced` and `KeyMissing`."""
        old = await _replaced_key(connection, kid)
        signer = await self.keyring.signer(connection)
        forms = await connection.fetch(_FORMS, kid, after, AT_ONCE)
        unsound = []
        for form in forms:
            try:
                payload = verify(form["receipt"], old).payload
            except InvalidSignature:
                unsound.append(form["form_number"])
                continue
            signed = Receipt.of(await in_thread(sign, payload, signer))
            await self._replace(connection, form, kid, signed, signer.kid, actor)
        last = forms[-1]["attempt_id"] if forms else None
        return SignedBatch(len(forms) - len(unsound), tuple(unsound), last)

    async def _replace(
        self, connection: Connection, form: Any, kid: str, signed: Receipt, new_kid: str, actor: str
    ) -> None:
        attempt_id, student_id = form["attempt_id"], form["student_id"]
        await connection.execute(_KEEP, attempt_id, kid, form["receipt"], actor)
        await connection.execute(_REPLACE, attempt_id, signed.text, signed.qr_text, new_kid)
        await log.append_entry(
            connection,
            actor=actor,
            act="form.sign_again",
            outcome="signed",
            student_id=student_id,
            details={"form": form["form_number"], "kid": new_kid, "replaces_kid": kid},
        )
        event = await submission_store.accepted_event(connection, attempt_id)
        assert event is not None
        await publish(connection, self.topic, event)


async def _replaced_key(connection: Connection, kid: str) -> dict[str, OKPKey]:
    """A revoked one too: what the database holds was signed before it leaked, or it does not fit."""
    row = await connection.fetchrow("SELECT public_jwk, retired_at FROM signing_key WHERE kid = $1", kid)
    if row is None:
        raise NotToBeReplaced("There is no such key.")
    if row["retired_at"] is None:
        raise NotToBeReplaced("This key signs. Rotate first.")
    return public_keys([json.loads(row["public_jwk"])])
