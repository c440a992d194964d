"""Python's cycle collector, set for services: most of what a batch or a request makes is freed without it."""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 100)
"""At CPython's own 700 the collector took a tenth of the projector's time to find nothing."""


def tune_gc() -> None:
    """Keep what start-up made out of the collector's sight, and let it look seldom. Once, before the work begins."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
