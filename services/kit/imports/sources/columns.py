"""The columns of a file by a source that was named, or by the one that its headings fit. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pydantic import BaseModel

from services.kit.imports.files.columns import IGNORED, Columns, Headings, headings_wrong, plain
from services.kit.imports.files.problems import RowProblem, Text, Unimportable, problem
from services.kit.imports.sources.source import Source


class SourceColumns(Columns):
    """The import's own columns, and before them those of a source."""

    def __init__(self, row: type[BaseModel], headings: Mapping[str, str], source: Source) -> None:
        super().__init__(row, headings)
        self.source = source
        self.kinds = dict(source.kinds)
        self._ids = frozenset(name for name, kind in self.kinds.items() if kind.identifies)
        translate = partial(source.translate, self.unnamed.labels)
        self.unnamed = Headings((), self.unnamed.labels, self.kinds, self._ids, source=source.name, translate=translate)

    def field(self, heading: str) -> str | None:
        found = self.source.headings.get(plain(heading))
        return super().field(heading) if found is None else found

    def read(self, headings: Sequence[str]) -> tuple[Headings, list[RowProblem]]:
        found, errors = super().read(headings)
        source = self.source
        labels = dict(found.labels)
        labels |= {field: labels[key] for field, key in source.derived(found.fields).items()}
        both = [field for field in source.derived(found.fields) if field in found.fields]
        errors += [self._twice(field, labels[field]) for field in both]
        ignored = [head.strip() for head in headings if source.headings.get(plain(head)) == IGNORED]
        named = replace(
            found,
            labels=labels,
            source=source.name,
            ignored=tuple(ignored),
            translate=partial(source.translate, labels),
        )
        return named, errors

    def _twice(self, field: str, label: str) -> RowProblem:
        fault = Text(f"“{label}”同时给出了已有一列的值。", f"“{label}” also gives what has a column of its own.")
        return problem(field, fault, Text("只保留其中一列。", "Keep one of the two."))

    def given(self, fields: Collection[str | None]) -> Collection[str | None]:
        return self.source.given(fields)

    def _unknown(self, number: int, heading: str) -> RowProblem:
        wrong = super()._unknown(number, heading)
        title = Text(*self.source.title)
        about = Text(
            f"来源“{title.zh}”也不认识它；确认不需要时，可在来源文件的 ignored 中列出。",
            f"The source “{title.en}” does not list it either; if it is not needed, add it to `ignored` there.",
        )
        return {**wrong, "remedy": f"{wrong['remedy']} {about}"}


class DetectedColumns(Columns):
    """The columns of the one source that a file's headings fit, else the import's own."""

    def __init__(self, row: type[BaseModel], headings: Mapping[str, str], candidates: Sequence[SourceColumns]) -> None:
        super().__init__(row, headings)
        self._candidates = candidates

    def names_student(self, heading: str) -> bool:
        return any(each.names_student(heading) for each in self._candidates) or super().names_student(heading)

    def match(self, headings: Sequence[str]) -> Headings:
        read = [each.read(headings) for each in self._candidates]
        fitting = [found for found, errors in read if not errors]
        if len(fitting) == 1:
            return fitting[0]
        own, errors = self.read(headings)
        if not errors:
            return own
        if fitting:
            raise _several([found.source or "" for found in fitting])
        raise headings_wrong(min([errors, *(errors for _, errors in read)], key=len))


class SourcedColumns:
    """The columns of an import by the name of a source, or by the file's own headings."""

    def __init__(self, row: type[BaseModel], headings: Mapping[str, str], sources: Mapping[str, Source]) -> None:
        self._named = {name: SourceColumns(row, headings, source) for name, source in sources.items()}
        self._detected = DetectedColumns(row, headings, [*self._named.values()])

    def of(self, source: str | None) -> Columns:
        """Raises `Unimportable` for a name that no source has."""
        if source is None:
            return self._detected
        if source in self._named:
            return self._named[source]
        known = "、".join(self._named) or "-"
        title = Text("没有这个来源。", "There is no such source.")
        remedy = Text(
            f"可用：{known}；或不填，由列名识别。", f"Name one of: {known}; or none, to find it by the headings."
        )
        raise Unimportable("unknown-source", title, remedy, errors=[problem("query source", title, remedy)])


def _several(names: list[str]) -> Unimportable:
    title = Text("列名同时符合几个来源。", "The headings fit several sources.")
    listed = "、".join(names)
    remedy = Text(f"请用 ?source= 指明其中之一：{listed}。", f"Say which one with ?source=: {listed}.")
    return Unimportable("several-sources", title, remedy)
