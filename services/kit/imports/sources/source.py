"""A source: what the headings of a system's file mean, and its rows in the terms of the import. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel

from services.kit.imports.files.columns import IGNORED, ORIGINAL, Columns, plain
from services.kit.imports.files.kinds import FieldKind
from services.kit.imports.files.problems import RowProblem
from services.kit.imports.sources.manifest import EMPTY, FLAGS, GIVEN, SourceManifest, codes_of, faults
from services.kit.imports.sources.parts import Cells, Labels, add_up, join, key_of, part_key, split, state
from services.kit.imports.sources.words import Words, unknown_word


class WrongSource(ValueError):
    """A source's file does not fit its import; says where and how."""


class Source:
    """One system's files, for one import. Raises `WrongSource` if it does not fit the import."""

    def __init__(self, name: str, manifest: SourceManifest, row: type[BaseModel], columns: Columns) -> None:
        codes = {field: found for field, info in row.model_fields.items() if (found := codes_of(info.annotation))}
        codes |= {field: FLAGS for field, kind in columns.kinds.items() if kind is FieldKind.FLAG}
        if wrong := list(faults(manifest, columns, codes)):
            raise WrongSource("; ".join(wrong))
        self.name = name
        self.title = (manifest.title.zh, manifest.title.en)
        self.manifest = manifest
        self._columns = columns
        self._words = {
            field: Words.of(manifest.words.get(field, {}), codes.get(field, ()), manifest.formats.get(field))
            for field in {**manifest.words, **manifest.formats}
        }
        self.kinds: dict[str, FieldKind] = {**columns.kinds, **dict(self._other_kinds())}
        self.headings: dict[str, str] = dict(self._meanings())
        """Folded heading → field, `IGNORED`, or the key of a column that is no field."""

    def translate(self, of_file: Mapping[str, str], cells: Cells) -> list[RowProblem]:
        """Changes `cells` to fields of the import; what cannot be is in the answer. `of_file`: field → heading.

        What the file has stays beside it under `ORIGINAL` and the field, for the export of rejected rows.
        """
        labels = Labels(of_file, self._columns.unnamed.labels)
        wrong = [*self._values(labels, cells)]
        for several in self.manifest.splits:
            wrong += split(several, labels, cells)
        for parts in self.manifest.joins:
            join(parts, self._columns.kinds, cells)
        for statement in self.manifest.statements:
            wrong += state(statement, labels, cells, self._columns.kinds, self.title)
        for total in self.manifest.sums:
            wrong += add_up(total, labels, cells)
        for field, value in self.manifest.constants.items():
            cells.setdefault(field, value)
        return wrong

    def given(self, fields: Iterable[str | None]) -> set[str | None]:
        """The fields that a file with these columns has."""
        given = {*fields, *self.manifest.constants, *self.derived(fields)}
        for parts in self.manifest.joins:
            if all(part_key(part, self._columns.kinds) in given for part in parts.parts):
                given.add(parts.field)
        for statement in self.manifest.statements:
            if key_of(statement.columns) in given:
                said = [pair for values in statement.words.values() for pair in values.items()]
                given |= {field for field, value in said if value not in (EMPTY, GIVEN)}
        return given

    def derived(self, fields: Iterable[str | None]) -> dict[str, str]:
        """Fields that a column of several gives → its key."""
        have = set(fields)
        splits = [each for each in self.manifest.splits if key_of(each.columns) in have]
        return {field: key_of(each.columns) for each in splits for field in each.into}

    def fields_of(self, field: str) -> tuple[str, ...]:
        """What a column speaks of: `field`, or what the column of this key gives or says."""
        manifest, found = self.manifest, {field} & self._columns.kinds.keys()
        found |= {name for name, key in self.derived([field]).items() if key == field}
        found |= {
            each.field
            for each in manifest.joins
            if field in [part_key(part, self._columns.kinds) for part in each.parts]
        }
        said = [words for each in manifest.statements if key_of(each.columns) == field for words in each.words.values()]
        found |= {name for words in said for name in words}
        found |= {each.of for each in manifest.sums if key_of(each.columns) == field}
        return tuple(name for name in self._columns.kinds if name in found)

    def _values(self, labels: Labels, cells: Cells) -> Iterator[RowProblem]:
        for field, words in self._words.items():
            text = cells.get(field)
            if text is None:
                continue
            value = words.value(text)
            if value is None:
                yield unknown_word(field, labels[field], words.listed, self.title)
            elif value != text:
                cells[ORIGINAL + field] = text
                cells[field] = value

    def _meanings(self) -> Iterator[tuple[str, str]]:
        manifest = self.manifest
        groups = [(manifest.ignored, IGNORED), *((heads, field) for field, heads in manifest.columns.items())]
        groups += [(part, key_of(part)) for part in self._other_columns()]
        yield from ((plain(heading), field) for headings, field in groups for heading in headings)

    def _other_columns(self) -> Iterator[tuple[str, ...]]:
        yield from (part.columns for part in self.manifest.other_columns)
        yield from (part for each in self.manifest.joins for part in each.parts if part[0] not in self._columns.kinds)

    def _other_kinds(self) -> Iterator[tuple[str, FieldKind]]:
        """Numbers in columns of ids are read as the sheet shows them."""
        manifest = self.manifest
        yield from ((key_of(part), FieldKind.IDENTIFIER) for part in self._other_columns())
        yield from ((key_of(each.columns), FieldKind.MONEY) for each in manifest.sums)
        yield from (
            (key_of(each.columns), FieldKind.DAY if each.days else FieldKind.TEXT) for each in manifest.statements
        )
