"""One row of the archives' export: the state of one student's thesis. Pure."""

from services.archives.rules import ArchivesRecord, Thesis
from services.kit.department.fields import ImportRow


class ArchivesRow(ImportRow):
    state: Thesis


def apply_row(record: ArchivesRecord, row: ArchivesRow) -> ArchivesRecord:
    return record.updated(thesis=row.state)
