"""One row of the dormitories' export: one residence as it stands. Pure."""

from services.kit.rules.collections import replace_by_key
from services.kit.rules.fields import Day, ImportRow, PlaceName, ShortLine

from .rules import MAX_RESIDENCES, ROOM, DormRecord, Residence


class DormRow(ImportRow):
    """Without date or handler the residence is open. Residences without a row stay as they are."""

    campus: PlaceName
    building: PlaceName
    room: PlaceName
    checked_out_on: Day | None = None
    handler: ShortLine | None = None


def apply_row(record: DormRecord, row: DormRow) -> DormRecord:
    residence = Residence.model_validate(row.model_dump(include=set(Residence.model_fields)))
    return record.updated(residences=replace_by_key(record.residences, residence, *ROOM, limit=MAX_RESIDENCES))
