from enum import StrEnum


class JobFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    XLSX = "xlsx"

    def __str__(self) -> str:
        return str(self.value)
