"""Heads of the audit kept elsewhere: which of them the chain has to have, and the file of an operator."""

from pathlib import Path

import pytest

from services.kit.audit.chain import Head
from services.kit.audit.heads import KeptHead, append_head, read_heads, standing

FIRST, SECOND, OTHER = (Head(seq, bytes([seq]) * 32) for seq in (1, 2, 3))


def test_every_head_counts_until_an_operator_accepts_an_end() -> None:
    kept = [KeptHead(FIRST), KeptHead(OTHER), KeptHead(SECOND, accepted=True), KeptHead(OTHER)]
    assert standing(kept[:2]) == [FIRST, OTHER]
    assert standing(kept) == [SECOND, OTHER]


def test_a_chain_without_seals_has_nothing_to_be_compared() -> None:
    assert standing([KeptHead(Head(0, bytes(32)), accepted=True)]) == []


def test_a_file_has_the_heads_of_several_services_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "heads"
    assert read_heads(file, "library") == []
    for service, kept in (
        ("library", KeptHead(FIRST)),
        ("clearance", KeptHead(OTHER)),
        ("library", KeptHead(SECOND, accepted=True)),
    ):
        append_head(file, service, kept)
    assert read_heads(file, "library") == [KeptHead(FIRST), KeptHead(SECOND, accepted=True)]
    assert read_heads(file, "clearance") == [KeptHead(OTHER)]


@pytest.mark.parametrize("text", ["", "1", "1:ab", f"-1:{'0' * 64}", f"1:{'x' * 64}"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"SEQ:HASH|hexadecimal"):
        Head.parse(text)
