"""The file of a source, and its check against the import it is for. Pure."""

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from services.kit.imports.files.columns import Columns, plain
from services.kit.imports.files.kinds import FieldKind
from services.kit.imports.sources.formats import FORMATS, FormatName
from services.kit.manifests import Text

FLAGS: Final = ("yes", "no", "true", "false", "1", "0")
EMPTY: Final = ""
GIVEN: Final = "*"

Heads = Annotated[tuple[str, ...], Field(min_length=1)]
"""Headings that mean the same."""
Fields = Annotated[tuple[str, ...], Field(min_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Column(_Part):
    columns: Heads


class Split(_Column):
    """One column of several fields: `梅苑1楼-A0307`. The first separator that gives as many parts is taken."""

    into: Fields
    separators: Annotated[tuple[str, ...], Field(min_length=1)]


class Join(_Part):
    """A field that the file has in parts: each is a field of this import, or headings of a column of its own."""

    field: str
    parts: Annotated[tuple[Heads, ...], Field(min_length=2)]
    separator: str = "-"


class Statement(_Column):
    """A column whose words say something of other fields: word → field → what it is. The word `*` is any other.

    `""`: empty; `*`: given; `!amount`: given, and not as that field; `<amount-waived`: given, and less than that field
    less this one; `=amount`: as that field, where it is empty; `?submitted`: this value, where it is empty; else this
    value. A row that contradicts it is refused. With `days`, `*` is a day: no other text, as 未还 or 0000-00-00.
    """

    words: dict[str, dict[str, str]]
    days: bool = False


class Sum(_Column):
    """A column that repeats what others say: `of` less `less`. A row where it does not add up is refused."""

    of: str
    less: tuple[str, ...]


class SourceManifest(_Part):
    """`words`: field → value of this import → the source's words."""

    title: Text
    ignored: tuple[str, ...] = ()
    columns: dict[str, Heads] = {}
    words: dict[str, dict[str, Heads]] = {}
    formats: dict[str, FormatName] = {}
    constants: dict[str, str] = {}
    splits: tuple[Split, ...] = ()
    joins: tuple[Join, ...] = ()
    statements: tuple[Statement, ...] = ()
    sums: tuple[Sum, ...] = ()

    @property
    def other_columns(self) -> tuple[_Column, ...]:
        return (*self.splits, *self.statements, *self.sums)


def codes_of(annotation: Any) -> tuple[str, ...]:
    """The accepted values of a field of codes."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return tuple(str(member.value) for member in annotation)
    return tuple(code for each in get_args(annotation) for code in codes_of(each))


def faults(source: SourceManifest, columns: Columns, codes: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """What is wrong with a source for an import of these columns. `codes`: field → its accepted values."""
    for where, name in _named_fields(source):
        if name not in columns.kinds:
            yield f"{where}: this import has no field {name!r}; its fields are {', '.join(columns.kinds)}"
    yield from _repeated_headings(source)
    yield from (f"ignored: {name!r} is a column of this import" for name in source.ignored if columns.field(name))
    for name, words in source.words.items():
        yield from (
            f"words.{name}: {value!r} is none of {', '.join(codes[name])}"
            for value in words
            if _wrong(name, value, codes)
        )
        yield from (
            f"words.{name}: {word!r} is listed twice" for word in _repeated(w for each in words.values() for w in each)
        )
    for name, value in source.constants.items():
        if _wrong(name, value, codes):
            yield f"constants.{name}: {value!r} is none of {', '.join(codes[name])}"
    for name, form in source.formats.items():
        kind = columns.kinds.get(name)
        if kind is not None and kind is not FORMATS[form][0]:
            wanted = FORMATS[form][0].value
            yield f"formats.{name}: {form.value} is for a field of {wanted}, and this one is of {kind.value}"
    for statement in source.statements:
        for word, said in statement.words.items():
            for name, value in said.items():
                literal = value.removeprefix("?")
                if literal not in (EMPTY, GIVEN) and literal[0] not in "=!<" and _wrong(name, literal, codes):
                    yield f"statements: {word!r} sets {name} to {value!r}, which is none of {', '.join(codes[name])}"
    for each in source.sums:
        yield from (
            f"sums: {name} is no money"
            for name in (each.of, *each.less)
            if columns.kinds.get(name, FieldKind.MONEY) is not FieldKind.MONEY
        )


def _wrong(name: str, value: str, codes: Mapping[str, tuple[str, ...]]) -> bool:
    return name in codes and value not in codes[name]


def _named_fields(source: SourceManifest) -> Iterator[tuple[str, str]]:
    for table in ("columns", "words", "formats", "constants"):
        yield from ((table, name) for name in getattr(source, table))
    for split in source.splits:
        yield from (("splits.into", name) for name in split.into)
    for join in source.joins:
        yield "joins.field", join.field
    for statement in source.statements:
        for said in statement.words.values():
            yield from (("statements", name) for name in said)
            named = [value[1:].split("-") for value in said.values() if value[:1] in ("=", "!", "<")]
            yield from (("statements", name) for names in named for name in names)
    for each in source.sums:
        yield from (("sums", name) for name in (each.of, *each.less))


def _repeated_headings(source: SourceManifest) -> Iterator[str]:
    groups = [*source.columns.values(), source.ignored]
    groups += [part.columns for part in source.other_columns]
    for heading in _repeated(heading for group in groups for heading in group):
        yield f"the heading {heading!r} is listed twice"


def _repeated(texts: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [text for text in texts if plain(text) in seen or seen.add(plain(text))]  # type: ignore[func-returns-value]
