from enum import StrEnum


class Verdict(StrEnum):
    BLOCKED = "blocked"
    CLEAR = "clear"

    def __str__(self) -> str:
        return str(self.value)
