"""How a form spells instants and facts. Pure.

Facts too long for a QR code become row count and SHA-256 of each table, or one SHA-256 per check: still provable
against the submission.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.kit.receipts.jws import canonical

Facts = Mapping[str, Any]


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def tables_digested(facts: Facts) -> Facts:
    """Each list as `{"rows": length, "sha256": digest}`."""
    return {
        name: {"rows": len(value), "sha256": _sha256({"rows": value})} if isinstance(value, list) else value
        for name, value in facts.items()
    }


def digested(facts: Facts) -> Facts:
    return {"sha256": _sha256(facts)}


SPELLINGS: Final[tuple[Callable[[Facts], Facts], ...]] = (dict, tables_digested, digested)
"""Longest first."""


def stands_for(signed: Facts, facts: Facts) -> bool:
    return any(signed == spell(facts) for spell in SPELLINGS)


def _sha256(document: Facts) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()
