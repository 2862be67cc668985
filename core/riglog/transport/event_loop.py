"""Which event loop runs: on that of asyncio, some waits cost much less than those that anyio offers for every loop."""

import sys
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    import asyncio


def asyncio_loop() -> "asyncio.AbstractEventLoop | None":
    """Return the event loop that runs, if it is one of asyncio; does not import asyncio."""
    module = sys.modules.get("asyncio")
    if module is None or anyio.get_cancelled_exc_class() is not module.CancelledError:
        return None
    loop: asyncio.AbstractEventLoop = module.get_running_loop()
    return loop
