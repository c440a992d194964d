"""Garbage-collector settings: most objects of a batch or a request need no collection."""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 100)
"""CPython's 700 took a tenth of the projector's time, and found nothing."""


def tune_gc() -> None:
    """Exempt start-up objects, and collect rarely. Call once, before work begins."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
