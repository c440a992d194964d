"""Work of a store of keys beside the event loop: an HSM is a device on the network."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from services.clearance.receipts.private_keys.store import KeyMissing

TIMEOUT_S: Final = 10.0
# Of its own: one that hangs must not keep others from looking up their database's address.
_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="signing keys")
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


async def in_thread(work: Callable[Given, Answer], /, *args: Given.args, **options: Given.kwargs) -> Answer:
    """Raises `KeyMissing` after `TIMEOUT_S`."""
    done = asyncio.get_running_loop().run_in_executor(_THREAD, partial(work, *args, **options))
    try:
        return await asyncio.wait_for(done, TIMEOUT_S)
    except TimeoutError:
        raise KeyMissing(f"the store of signing keys did not answer within {TIMEOUT_S:.0f} s") from None
