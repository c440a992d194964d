from enum import StrEnum


class Standing(StrEnum):
    CLOSED = "closed"
    COMPLETED = "completed"
    NOT_SERVED = "not-served"
    OPEN = "open"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)
