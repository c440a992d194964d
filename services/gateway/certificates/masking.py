"""What the public check says of whose form it is: enough to compare with a paper, too little to learn a name. Pure."""

from typing import Final

_SHOWN_DIGITS: Final = 4


def masked_name(name: str) -> str:
    """`周*月`, `周*`, `J*** S****`: each word's first character, and the last of a Chinese name of three or more."""
    words = name.split()
    if len(words) == 1 and len(name) > 2 and not name.isascii():
        return f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"
    return " ".join(word[0] + "*" * (len(word) - 1) for word in words)


def end_of_number(student_id: str) -> str:
    """The last four, of a number that is longer than twice as much."""
    return student_id[-_SHOWN_DIGITS:] if len(student_id) >= 2 * _SHOWN_DIGITS else ""
