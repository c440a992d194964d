"""When a row was true."""

from datetime import datetime, tzinfo

from services.kit.http.requests.instants import CLOCKS_DIFFER
from services.kit.imports.spec import RowSource
from services.kit.operations import Refused
from services.kit.rules.instants import in_zone
from services.kit.rules.reasons import CHECK_THE_INSTANT, IN_THE_FUTURE


def row_instant(said: datetime | None, source: RowSource, zone: tzinfo, now: datetime) -> datetime:
    """What the row says, in `zone` if it names no offset, else the file's instant. Raises `Refused` for the future."""
    as_of = source.as_of if said is None else in_zone(said, zone)
    if as_of > now + CLOCKS_DIFFER:
        raise Refused(IN_THE_FUTURE(), field="as_of", remedy=CHECK_THE_INSTANT)
    return as_of
