"""Files made to hurt, or broken at any byte: refused before they cost anything, or read."""

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.imports.files.formats import Format
from services.kit.imports.files.problems import Unimportable
from services.kit.imports.files.xlsx.zip_bounds import DAMAGED
from tests.support.samples.import_files import cells, read, repacked, workbook

GOOD = workbook(["student_id"], ["TS1001"])
BOMB = b'<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;&l;&l;&l;&l;&l;&l;&l;">]>'


def _within(part: str, old: bytes, new: bytes) -> bytes:
    def change(name: str, content: bytes) -> bytes:
        assert name != part or old in content
        return content.replace(old, new) if name == part else content

    return repacked(GOOD, change)


SHEET = "xl/worksheets/sheet1.xml"


def _entities() -> bytes:
    return _within(SHEET, b"<worksheet", BOMB + b"<worksheet")


def _entities_in_utf_16() -> bytes:
    def change(name: str, content: bytes) -> bytes:
        if name != SHEET:
            return content
        text = content.decode().replace('encoding="UTF-8"', "")
        return (BOMB.decode() + text[text.index("<worksheet") :]).encode("utf-16")

    return repacked(GOOD, change)


def _entities_in_ebcdic() -> bytes:
    """Readable for an XML parser that takes Python's codecs, and not for a search in the bytes."""

    def change(name: str, content: bytes) -> bytes:
        text = content.decode()
        hidden = (BOMB.decode() + text[text.index("<worksheet") :]).encode("cp037") if name == SHEET else b""
        return b'<?xml version="1.0" encoding="cp037"?>' + hidden if hidden else content

    return repacked(GOOD, change)


def _external_document_type() -> bytes:
    return _within("xl/workbook.xml", b"<workbook", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><workbook')


def _tight() -> bytes:
    return repacked(GOOD, lambda name, content: content + b" " * 40_000_000 if name == SHEET else content)


def _large() -> bytes:
    return repacked(GOOD, lambda _, content: content, **{f"filler{n}": bytes(1024 * 1024) for n in range(130)})


def _many_parts() -> bytes:
    return repacked(GOOD, lambda _, content: content, **{f"part{n}": b"" for n in range(600)})


def _many_elements() -> bytes:
    return repacked(GOOD, lambda _, content: content, **{f"{n}.xml": b"<" * 1024 * 1024 for n in range(10)})


def _giant_row() -> bytes:
    return _within(SHEET, b'<row r="2">', b'<row r="2">' + b"<c/>" * 100_000)


def _giant_row_of_rows() -> bytes:
    return _within(SHEET, b'<row r="2">', b'<row r="2">' + b"<row/>" * 100_000)


@pytest.mark.parametrize(
    "make",
    [
        _giant_row,
        _giant_row_of_rows,
        _entities,
        _entities_in_utf_16,
        _entities_in_ebcdic,
        _external_document_type,
        _tight,
        _large,
        _many_parts,
        _many_elements,
    ],
)
def test_a_workbook_made_to_hurt_is_refused_before_it_is_parsed(make: Callable[[], bytes]) -> None:
    with pytest.raises(Unimportable) as caught:
        read(make(), Format.XLSX)
    assert caught.value.slug in {"unsafe-workbook"} | (
        {"unreadable-workbook"} if make is _entities_in_ebcdic else set()
    )


def _zip(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.xml", "<a/>" * 100)
    return out.getvalue()


def _with_entry(data: bytes, at: int, new: bytes, extra: bytes = b"") -> bytes:
    """`data` with bytes of its directory's one entry replaced, and an extra field added."""
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry, ending = bytearray(data[start:end] + extra), bytearray(data[end:])
    entry[at : at + len(new)] = new
    entry[30:32] = struct.pack("<H", len(extra))
    ending[12:16] = struct.pack("<I", len(entry))
    return data[:start] + bytes(entry) + bytes(ending)


DAMAGED_FILES = {
    zipfile.BadZipFile: _zip()[:-30],
    NotImplementedError: _with_entry(_zip(), 6, b"\xff"),
    EOFError: _with_entry(_zip(zipfile.ZIP_STORED), 20, struct.pack("<II", 5000, 5000)),
    ValueError: _with_entry(_with_entry(_zip(), 8, struct.pack("<H", 0x800)), 46, b"\xff"),
    OverflowError: _with_entry(_zip(), 42, b"\xff" * 4, extra=struct.pack("<HHQ", 1, 8, 2**63)),
    zlib.error: _zip()[:35] + b"\xff" + _zip()[36:],
}


@pytest.mark.parametrize("error", DAMAGED)
def test_a_damaged_zip_is_refused_whatever_is_damaged(error: type[Exception]) -> None:
    data = DAMAGED_FILES[error]
    with pytest.raises(error), zipfile.ZipFile(io.BytesIO(data)) as archive:
        [archive.read(entry) for entry in archive.infolist()]
    with pytest.raises(Unimportable, match="not-a-workbook"):
        read(data, Format.XLSX)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_part_compressed_by_a_method_that_no_workbook_uses_is_refused_unread(method: int) -> None:
    data = bytearray(_zip(method))
    data[40:50] = bytes(10)
    with pytest.raises(Unimportable, match="unsafe-workbook"):
        read(bytes(data), Format.XLSX)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (SHEET, b'<row r="2"', b'<row r="99999999999"'),
        (SHEET, b'<row r="2"', b'<row r="1"'),
        (SHEET, b"</sheetData>", b""),
        (SHEET, b'<c r="A2"', b'<c r="ZZZZZZ2"'),
        ("[Content_Types].xml", b"<Types", b"<Other"),
        ("xl/workbook.xml", b"<sheets>", b"<other>"),
    ],
)
def test_a_workbook_that_contradicts_itself_is_refused(part: str, old: bytes, new: bytes) -> None:
    with pytest.raises(Unimportable) as caught:
        read(_within(part, old, new), Format.XLSX)
    assert caught.value.slug == "unreadable-workbook"


def _with_shared_strings(index: int) -> bytes:
    """A workbook as Excel itself writes it: texts in a part of their own."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    types = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    cell = re.compile(rb't="inlineStr"><is><t>TS1001</t></is>')
    strings = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>TS1009</t></si></sst>'

    def change(name: str, content: bytes) -> bytes:
        content = content.replace(b"</Types>", types.encode()) if name == "[Content_Types].xml" else content
        return cell.sub(b't="s"><v>%d</v>' % index, content) if name == SHEET else content

    return repacked(GOOD, change, **{"xl/sharedStrings.xml": strings})


def test_shared_texts_are_read_and_a_reference_to_none_is_refused() -> None:
    assert cells(_with_shared_strings(0), Format.XLSX) == [{"student_id": "TS1009"}]
    with pytest.raises(Unimportable, match="unreadable-workbook"):
        read(_with_shared_strings(7), Format.XLSX)


def test_rows_beyond_the_size_a_workbook_claims_are_read() -> None:
    rows = [["student_id"], *[[f"TS{n}"] for n in range(1000, 1100)]]
    data = repacked(workbook(*rows), lambda _, content: content.replace(b'ref="A1:A101"', b'ref="A1:A2"'))
    assert len(read(data, Format.XLSX)) == 100


def read_or_refused(data: bytes, kind: Format) -> bool:
    """Any other error than `Unimportable`, or a row that could not be stored, fails the test."""
    try:
        rows = read(data, kind)
    except Unimportable as refused:
        return bool(refused.remedy)
    return all(json.dumps(row.cells, ensure_ascii=False).encode() for row in rows)


@given(data=st.binary(max_size=400), kind=st.sampled_from(Format))
def test_any_bytes_are_read_or_refused(data: bytes, kind: Format) -> None:
    assert read_or_refused(data, kind)


@given(at=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_workbook_with_one_byte_changed_is_read_or_refused(at: int, byte: int) -> None:
    assert read_or_refused(GOOD[:at] + bytes([byte]) + GOOD[at + 1 :], Format.XLSX)
