"""One row of the archives' export: the state of one student's thesis. Pure."""

from services.kit.rules.fields import ImportRow

from .rules import ArchivesRecord, Thesis


class ArchivesRow(ImportRow):
    state: Thesis


def apply_row(record: ArchivesRecord, row: ArchivesRow) -> ArchivesRecord:
    return record.updated(thesis=row.state)
