"""What a department may call clear, replayed from what it committed. Pure, and independent of the product's rules."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.support.checker.evidence.facts import Fact, JobWrite, LoadWrite, QuestionWrite, RecordWrite, RowDone


@dataclass
class Vouching:
    """`absent`: check → what no row about a covered student means."""

    absent: Mapping[str, str]
    _records: dict[str, RecordWrite] = field(default_factory=dict)
    _loads: dict[str, LoadWrite] = field(default_factory=dict)
    _about: dict[str, dict[int, QuestionWrite]] = field(default_factory=lambda: defaultdict(dict))
    _files: dict[int, QuestionWrite] = field(default_factory=dict)

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, RecordWrite):
            self._records[fact.student_id] = fact
        elif isinstance(fact, LoadWrite):
            self._loads[fact.load_id] = fact
        elif isinstance(fact, QuestionWrite):
            (self._about[fact.student_id] if fact.student_id else self._files)[fact.question_id] = fact

    def clear_checks(self, student_id: str) -> frozenset[str]:
        """The checks that may be clear now: by the rules, on evidence, and with no question open."""
        record = self._records.get(student_id)
        if record is None or any(self._open(one) for one in self._about[student_id].values()):
            return frozenset()
        return frozenset(check for check in record.clear_checks if check in record.own or self._covers(record, check))

    def clear(self, student_id: str) -> bool:
        return self.clear_checks(student_id) == self.absent.keys()

    def _covers(self, record: RecordWrite, check: str) -> bool:
        if self.absent[check] == "unknown" or any(self._doubts(one, record) for one in self._files.values()):
            return False
        return any(load.valid and check in load.checks and _of(load, record) for load in self._loads.values())

    def _doubts(self, file: QuestionWrite, record: RecordWrite) -> bool:
        """Whether a file refused whole may have held more about students of this cohort; a later whole list answers."""
        if file.closed_how == "ended" or file.cohort not in (None, record.cohort):
            return False
        return not any(
            load.valid and _of(load, record) and load.checks >= self.absent.keys() and load.as_of >= file.opened_at
            for load in self._loads.values()
        )

    def _open(self, question: QuestionWrite) -> bool:
        """A question that a list answered is open again once the list is withdrawn."""
        if question.closed_how != "covered":
            return not question.closed_how
        load = self._loads.get(question.closed_load)
        return load is None or not load.valid


def _of(load: LoadWrite, record: RecordWrite) -> bool:
    return load.cohort is None or load.cohort == record.cohort


@dataclass
class Imports:
    """What the import jobs of a department left unread, replayed from what it committed."""

    _rows: dict[str, dict[int, RowDone]] = field(default_factory=lambda: defaultdict(dict))
    _warned: set[str] = field(default_factory=set)

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, RowDone):
            self._rows[fact.job_id][fact.row] = fact
        elif isinstance(fact, JobWrite) and fact.warned:
            self._warned.add(fact.job_id)

    def unread(self, job_id: str) -> bool:
        """Whether the job is not done with every row, or left out a part or a student."""
        rows = self._rows[job_id].values()
        lost = any(row.state == "pending" or (row.state == "rejected" and not row.student_id) for row in rows)
        return not rows or lost or job_id in self._warned


def replayed(absent: Mapping[str, str], journal: tuple[Fact, ...]) -> Iterator[tuple[Fact, Vouching]]:
    """Each fact, and what may be called clear once it is committed."""
    vouching = Vouching(absent)
    for fact in journal:
        vouching.apply(fact)
        yield fact, vouching
