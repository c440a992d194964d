"""What the public check says of whose form it is: enough to compare with a paper, too little to learn a name. Pure."""

from typing import Final

_SHOWN_DIGITS: Final = 4


def masked_name(name: str) -> str:
    """`周*月`, `周*`, `J*** S****`: each word's first character, and the last of a Chinese name of three or more."""
    words = name.split()
    if not name.isascii() and any(len(word) == 1 for word in words):
        # 周　月 is one word, written wide: by each word's first character the whole name would stand there.
        words = ["".join(words)]
    if len(words) == 1 and len(words[0]) > 2 and not name.isascii():
        return f"{words[0][0]}{'*' * (len(words[0]) - 2)}{words[0][-1]}"
    return " ".join(word[0] + "*" * (len(word) - 1) for word in words)


def end_of_number(student_id: str) -> str:
    """The last four, of a number that is longer than twice as much."""
    return student_id[-_SHOWN_DIGITS:] if len(student_id) >= 2 * _SHOWN_DIGITS else ""
