from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.job_format import JobFormat
from ..models.job_state import JobState

if TYPE_CHECKING:
    from ..models.job_effects import JobEffects


T = TypeVar("T", bound="Job")


@_attrs_define
class Job:
    """An import as it stands. A row is done when it is applied, unchanged, rejected or outdated.

    Attributes:
        job_id (UUID):
        state (JobState):
        format_ (JobFormat):
        encoding (str): Encoding the text was decoded with: `utf-8`, `utf-16` or `gb18030`.
        warnings (list[str]): What of the file was not read, or might surprise: hidden sheets, …
        source (None | str): The source by which the file was read; null for the import's own columns.
        ignored (list[str]): Headings of the columns that the source ignores.
        rows_total (int):
        rows_done (int):
        rows_waiting (int): Rows kept back while their student's submission is being decided. They are tried until it
            is.
        applied (int):
        unchanged (int): Rows that state what is on record already.
        rejected (int):
        outdated (int): Rows that are older than what is on record and would undo it: left out.
        unknown_students (int): Rows about numbers that are not on the roster: mistyped, or too early.
        effects (JobEffects): What the rows did, as the import counts it. A roster: `opened`, `changed`, `closed`,
            `unchanged`, `not-served`. Empty for a department.
        unrecognised (list[str]): Words of the rows that the configuration does not have: leave categories that open no
            case.
        students_questioned (int): Students left in doubt by rejected rows, once the job is done: their checks wait for
            an answer.
        covers (list[str]): Cohorts the file is the complete list of; `*` for every student.
        as_of (datetime.datetime | None): When the list was complete.
        covered (bool | None): Whether it covers them: not with rejected rows of nobody on the roster, parts left out,
            or no row.
        uploaded_by (str):
        uploaded_at (datetime.datetime):
        started_at (datetime.datetime | None):
        finished_at (datetime.datetime | None):
    """

    job_id: UUID
    state: JobState
    format_: JobFormat
    encoding: str
    warnings: list[str]
    source: None | str
    ignored: list[str]
    rows_total: int
    rows_done: int
    rows_waiting: int
    applied: int
    unchanged: int
    rejected: int
    outdated: int
    unknown_students: int
    effects: JobEffects
    unrecognised: list[str]
    students_questioned: int
    covers: list[str]
    as_of: datetime.datetime | None
    covered: bool | None
    uploaded_by: str
    uploaded_at: datetime.datetime
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        job_id = str(self.job_id)

        state = self.state.value

        format_ = self.format_.value

        encoding = self.encoding

        warnings = self.warnings

        source: None | str
        source = self.source

        ignored = self.ignored

        rows_total = self.rows_total

        rows_done = self.rows_done

        rows_waiting = self.rows_waiting

        applied = self.applied

        unchanged = self.unchanged

        rejected = self.rejected

        outdated = self.outdated

        unknown_students = self.unknown_students

        effects = self.effects.to_dict()

        unrecognised = self.unrecognised

        students_questioned = self.students_questioned

        covers = self.covers

        as_of: None | str
        if isinstance(self.as_of, datetime.datetime):
            as_of = self.as_of.isoformat()
        else:
            as_of = self.as_of

        covered: bool | None
        covered = self.covered

        uploaded_by = self.uploaded_by

        uploaded_at = self.uploaded_at.isoformat()

        started_at: None | str
        if isinstance(self.started_at, datetime.datetime):
            started_at = self.started_at.isoformat()
        else:
            started_at = self.started_at

        finished_at: None | str
        if isinstance(self.finished_at, datetime.datetime):
            finished_at = self.finished_at.isoformat()
        else:
            finished_at = self.finished_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "job_id": job_id,
                "state": state,
                "format": format_,
                "encoding": encoding,
                "warnings": warnings,
                "source": source,
                "ignored": ignored,
                "rows_total": rows_total,
                "rows_done": rows_done,
                "rows_waiting": rows_waiting,
                "applied": applied,
                "unchanged": unchanged,
                "rejected": rejected,
                "outdated": outdated,
                "unknown_students": unknown_students,
                "effects": effects,
                "unrecognised": unrecognised,
                "students_questioned": students_questioned,
                "covers": covers,
                "as_of": as_of,
                "covered": covered,
                "uploaded_by": uploaded_by,
                "uploaded_at": uploaded_at,
                "started_at": started_at,
                "finished_at": finished_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.job_effects import JobEffects

        d = dict(src_dict)
        job_id = UUID(d.pop("job_id"))

        state = JobState(d.pop("state"))

        format_ = JobFormat(d.pop("format"))

        encoding = d.pop("encoding")

        warnings = cast(list[str], d.pop("warnings"))

        def _parse_source(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        source = _parse_source(d.pop("source"))

        ignored = cast(list[str], d.pop("ignored"))

        rows_total = d.pop("rows_total")

        rows_done = d.pop("rows_done")

        rows_waiting = d.pop("rows_waiting")

        applied = d.pop("applied")

        unchanged = d.pop("unchanged")

        rejected = d.pop("rejected")

        outdated = d.pop("outdated")

        unknown_students = d.pop("unknown_students")

        effects = JobEffects.from_dict(d.pop("effects"))

        unrecognised = cast(list[str], d.pop("unrecognised"))

        students_questioned = d.pop("students_questioned")

        covers = cast(list[str], d.pop("covers"))

        def _parse_as_of(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                as_of_type_0 = datetime.datetime.fromisoformat(data)

                return as_of_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        as_of = _parse_as_of(d.pop("as_of"))

        def _parse_covered(data: object) -> bool | None:
            if data is None:
                return data
            return cast(bool | None, data)

        covered = _parse_covered(d.pop("covered"))

        uploaded_by = d.pop("uploaded_by")

        uploaded_at = datetime.datetime.fromisoformat(d.pop("uploaded_at"))

        def _parse_started_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                started_at_type_0 = datetime.datetime.fromisoformat(data)

                return started_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        started_at = _parse_started_at(d.pop("started_at"))

        def _parse_finished_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                finished_at_type_0 = datetime.datetime.fromisoformat(data)

                return finished_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        finished_at = _parse_finished_at(d.pop("finished_at"))

        job = cls(
            job_id=job_id,
            state=state,
            format_=format_,
            encoding=encoding,
            warnings=warnings,
            source=source,
            ignored=ignored,
            rows_total=rows_total,
            rows_done=rows_done,
            rows_waiting=rows_waiting,
            applied=applied,
            unchanged=unchanged,
            rejected=rejected,
            outdated=outdated,
            unknown_students=unknown_students,
            effects=effects,
            unrecognised=unrecognised,
            students_questioned=students_questioned,
            covers=covers,
            as_of=as_of,
            covered=covered,
            uploaded_by=uploaded_by,
            uploaded_at=uploaded_at,
            started_at=started_at,
            finished_at=finished_at,
        )

        job.additional_properties = d
        return job

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
