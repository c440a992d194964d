"""A record with a header whose name is no text is read all the same, so that it stops nobody.

Kafka's broker takes any bytes for a header's name; aiokafka raises on those that are not UTF-8, before the record
reaches us, and then fetches it again for ever: one such record would stop every student of its consumer. What could
not be decoded is spelled out as `\\xff`, and the record is judged as any other.
"""

from typing import Any, Final, SupportsIndex

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

_WITH_HEADERS: Final = 2
"""The batches' format from which on records have headers."""


def read_any_header_name() -> None:
    """Make the consumers of this process do so. Records that are in order take the same way as before."""
    fetcher.MemoryRecords = _Kept
    fetcher.PartitionRecords = _Tolerant


class _Kept(MemoryRecords):  # type: ignore[misc]
    """aiokafka's records, with the bytes they came in."""

    def __init__(self, fetched: bytes) -> None:
        super().__init__(fetched)
        self.fetched = fetched


class _Tolerant(fetcher.PartitionRecords):  # type: ignore[misc]
    _records: Any
    _records_iterator: Any

    def __next__(self) -> Any:
        try:
            return next(self._records_iterator)
        except StopIteration:
            self._records_iterator = None
            raise
        except UnicodeDecodeError:
            # From the start again, slowly: what was given out already is passed over by its offset.
            self._records = _Lenient(self._records.fetched)
            self._records_iterator = self._unpack_records()
            return next(self._records_iterator)


class _Lenient(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        following = self._next_slice
        if following is None or following[self.MAGIC_OFFSET] < _WITH_HEADERS:
            return super().next_batch()
        self._cache_next()
        return _LenientBatch(following)


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray

    def _read_msg(self) -> Any:
        if not isinstance(self._buffer, _Text):
            self._buffer = _Text(self._buffer)
        return super()._read_msg()


class _Text(bytearray):
    """Bytes whose slices can always be decoded."""

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        part = super().__getitem__(at)
        return _Text(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")
