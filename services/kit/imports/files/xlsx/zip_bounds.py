"""Bounds of an XLSX workbook, checked before it is parsed: it is a zip of XML from outside."""

import io
import re
import zipfile
import zlib
from typing import Final

from services.kit.imports.files.problems import Text, Unimportable

MAX_ENTRIES: Final = 500
MAX_UNPACKED_BYTES: Final = 128 * 1024 * 1024
MAX_RATIO: Final = 100
_SMALL_BYTES: Final = 1024 * 1024
"""An entry below this may be compressed at any ratio."""
MAX_TAGS: Final = 10_000_000
_CHUNK_BYTES: Final = 256 * 1024
_XML: Final = re.compile(r"\.(xml|rels|vml)$", re.IGNORECASE)
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those a workbook may use (ISO/IEC 29500-2)."""
DAMAGED: Final = (
    zipfile.BadZipFile,
    NotImplementedError,  # the entry asks for more of the format than zipfile has: a later version, patched data
    EOFError,  # a part that ends early
    ValueError,  # a name in another encoding, or an offset before the start
    OverflowError,  # an offset of more than 63 bits
    zlib.error,
)
"""What `zipfile` raises on bytes that are no zip, or a damaged one."""


def unsound() -> Unimportable:
    remedy = Text(
        "请用表格软件打开，另存为 .xlsx 或“CSV UTF-8”后再发送。",
        "Open it in a spreadsheet, save it again as .xlsx, or as CSV UTF-8, and send that.",
    )
    return Unimportable("unreadable-workbook", Text("无法读取这个工作簿。", "The workbook cannot be read."), remedy)


def unsafe(zh: str, en: str) -> Unimportable:
    remedy = Text(
        "请把各行复制到新的工作簿，或另存为“CSV UTF-8”后再发送。",
        "Copy the rows into a new workbook, or save the sheet as CSV UTF-8, and send that.",
    )
    return Unimportable("unsafe-workbook", Text(f"拒绝这个工作簿：{zh}。", f"The workbook is refused: {en}."), remedy)


def check_zip(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_sizes(entries)
            tags = sum(_tags(archive, entry) for entry in entries)
    except DAMAGED:
        raise Unimportable(
            "not-a-workbook",
            Text("这不是 XLSX 工作簿，或文件不完整。", "This is not an XLSX workbook, or it is truncated."),
            Text(
                "请另存为 .xlsx 并发送完整文件；CSV 请以 .csv 发送。",
                "Save the sheet as .xlsx and send the whole file; a CSV is sent as CSV.",
            ),
        ) from None
    if tags > MAX_TAGS:
        raise unsafe("元素过多", "it has too many elements")


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise unsafe("部件过多", "it has too many parts")
    # zipfile stops reading at the declared size, so that these are bounds and not promises.
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        size = f"{MAX_UNPACKED_BYTES // 1024 // 1024} MB"
        raise unsafe(f"解压后超过 {size}", f"it unpacks to more than {size}")
    if any(entry.file_size > max(_SMALL_BYTES, MAX_RATIO * entry.compress_size) for entry in entries):
        raise unsafe("压缩比过高", "its compression ratio is too high")
    if any(entry.flag_bits & 1 for entry in entries):
        raise unsafe("它已加密", "it is encrypted")
    if any(entry.compress_type not in _METHODS for entry in entries):
        raise unsafe("压缩方法不是工作簿所用的", "it is compressed by a method that no workbook uses")


def _tags(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """An upper bound of the elements in one part. Reading to the end also checks its checksum."""
    count, tail, xml = 0, b"", _XML.search(entry.filename) is not None
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK_BYTES):
            count += chunk.count(b"<")
            if xml and b"<!doctype" in (tail + chunk).replace(b"\0", b"").lower():
                raise unsafe("它声明了文档类型", "it declares a document type")
            tail = chunk[-32:]
    return count if xml else 0
