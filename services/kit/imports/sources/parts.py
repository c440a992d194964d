"""Columns of a source that are no field of the import: of several fields, parts of one, or words about others. Pure.

Each changes the cells of a row, and answers with what does not fit.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from services.kit.imports.files.columns import ORIGINAL
from services.kit.imports.files.kinds import FieldKind, spelled
from services.kit.imports.files.problems import Place, RowProblem, Text, problem
from services.kit.imports.sources.formats import is_day, money
from services.kit.imports.sources.manifest import EMPTY, GIVEN, Heads, Join, Split, Statement, Sum
from services.kit.imports.sources.words import folded, unknown_word

Cells = dict[str, str]
Problems = Iterator[RowProblem]

_CHECK_BOTH: Final = Text("请核对并更正其中一项。", "Check both and correct the one that is wrong.")
_NO_AMOUNT: Final = Text("不是可用的金额。", "is not an accepted amount of money.")
_A_DAY: Final = "2026-06-05"
_CHECK_AMOUNTS: Final = Text(
    "请核对这几列的金额；如缺少其中一列，请一并导出。",
    "Check the amounts of these columns; if one of them is missing, export it, too.",
)


def key_of(headings: Heads) -> str:
    """The key, among a row's cells, of a column that is no field."""
    return ORIGINAL + headings[0]


@dataclass(frozen=True, slots=True)
class Labels:
    """What columns are called: as the file does, else by the import's own heading."""

    of_file: Mapping[str, str]
    own: Mapping[str, str]

    def __getitem__(self, field: str) -> str:
        return self.of_file.get(field) or self.own.get(field) or field.removeprefix(ORIGINAL)


def split(part: Split, labels: Labels, cells: Cells) -> Problems:
    key = key_of(part.columns)
    if key not in cells:
        return
    text = unicodedata.normalize("NFKC", cells[key])
    for separator in part.separators:
        pieces = [piece.strip() for piece in text.split(separator)]
        if len(pieces) == len(part.into) and all(pieces):
            cells.update(zip(part.into, pieces, strict=True))
            return
    names = [labels.own[field] for field in part.into]
    fault = Text(f"不能分成{'、'.join(names)}。", f"cannot be read as {', '.join(part.into)}.")
    like = part.separators[0].join(names)
    remedy = Text(f"请写成“{like}”。", f"Write it as “{like}”.")
    yield problem(part.into[-1], Place(labels[key]).describe(fault), remedy)


def join(part: Join, kinds: Mapping[str, FieldKind], cells: Cells) -> None:
    if part.field in cells:
        return
    texts = [cells.get(part_key(each, kinds), "").strip() for each in part.parts]
    if all(texts):
        kind = kinds[part.field]
        cells[part.field] = part.separator.join(spelled(kind, text) for text in texts)


def part_key(part: Heads, kinds: Mapping[str, FieldKind]) -> str:
    """A part of a join is a field, or a column of its own."""
    return part[0] if part[0] in kinds else key_of(part)


def state(
    part: Statement, labels: Labels, cells: Cells, kinds: Mapping[str, FieldKind], title: tuple[str, str]
) -> Problems:
    key = key_of(part.columns)
    if key not in cells:
        return
    words = {folded(word): values for word, values in part.words.items()}
    other = None if part.days and not is_day(cells[key]) else words.get(GIVEN)
    said = words.get(folded(cells[key]), other)
    if said is None:
        listed = [_A_DAY if part.days and word == GIVEN else word for word in part.words]
        yield unknown_word(labels[key], labels[key], "、".join(listed), title)
        return
    for field, value in said.items():
        have = cells.get(field)
        sets = _set_where_empty(value, cells)
        if have is None and sets is not None:
            cells[field] = sets
        elif not _agrees(have, value, cells, kinds[field]):
            fault = Text(f"与“{labels[field]}”矛盾。", f"contradicts “{labels[field]}”.")
            if have is None:
                fault = Text(f"需要“{labels[field]}”一列有值。", f"needs a value in “{labels[field]}”.")
            yield problem(field, Place(labels[key]).describe(fault), _CHECK_BOTH)


def _set_where_empty(value: str, cells: Cells) -> str | None:
    if value.startswith("="):
        return cells.get(value[1:])
    return None if value in (EMPTY, GIVEN) or value[0] in "!<" else value.removeprefix("?")


def _agrees(have: str | None, value: str, cells: Cells, kind: FieldKind) -> bool:
    if value in (EMPTY, GIVEN):
        return (have is not None) == (value == GIVEN)
    if value.startswith("!"):
        return have is not None and not _same(have, cells.get(value[1:], ""), kind)
    if value.startswith("<"):
        return _is_less(have, value[1:].split("-"), cells)
    return value[0] in "=?" or _same(have or "", value, kind)


def _is_less(have: str | None, of_less: list[str], cells: Cells) -> bool:
    amounts = [_amount(text) for text in (have or "", *(cells.get(field, "0") for field in of_less))]
    known = [amount for amount in amounts if amount is not None]
    return len(known) == len(amounts) and known[0] < known[1] - sum(known[2:])


def _same(one: str, other: str, kind: FieldKind) -> bool:
    return _amount(one) == _amount(other) if kind is FieldKind.MONEY else one == other


def add_up(part: Sum, labels: Labels, cells: Cells) -> Problems:
    key = key_of(part.columns)
    if key not in cells:
        return
    total = _amount(money(cells[key]))
    if total is None:
        remedy = Text("请写成 1234.50 或 ￥1,234.50。", "Write 1234.50 or ￥1,234.50.")
        yield problem(labels[key], Place(labels[key]).describe(_NO_AMOUNT), remedy)
        return
    fields = (part.of, *part.less)
    amounts = [_amount(cells.get(field, "0")) for field in fields]
    known = [amount for amount in amounts if amount is not None]
    # What is no amount is a fault of the row itself.
    if len(known) < len(fields):
        return
    if known[0] - sum(known[1:]) == total:
        # What is on record of an amount that the row leaves out would make another total.
        cells.update({field: cells.get(field, "0") for field in part.less})
    else:
        fault = Text(
            f"不等于{'减'.join(labels[field] for field in fields)}。",
            f"is not {' less '.join(labels[field] for field in fields)}.",
        )
        yield problem(labels[key], Place(labels[key]).describe(fault), _CHECK_AMOUNTS)


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None
