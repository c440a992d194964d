from enum import StrEnum


class ImportRowsStateType0(StrEnum):
    APPLIED = "applied"
    OUTDATED = "outdated"
    PENDING = "pending"
    REJECTED = "rejected"
    UNCHANGED = "unchanged"

    def __str__(self) -> str:
        return str(self.value)
