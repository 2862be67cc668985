"""The functions of riglog as blocking ones."""

import threading
from pathlib import Path
from typing import Any

import anyio

from riglog import rig as asynchronous
from riglog.acquire import record as record_asynchronously
from riglog.config import RigConfig
from riglog.manager import Manager as AsynchronousManager
from riglog.recordings import note as write_note
from riglog.rig import Outcome
from riglog.sync.proxies import Blocking, BlockingManager, blocking, opened, unwrap, wrap

LOOK_SECONDS = 0.05
Device = ActiveRun = Blocking  # for isinstance; functions.pyi has what they provide
pipe = blocking(asynchronous.pipe)
note = blocking(write_note)


def Manager(**options: Any) -> BlockingManager:  # noqa: N802
    """Return a rig without devices; see ``riglog.Manager``."""
    manager: BlockingManager = opened(AsynchronousManager(**options))
    return manager


def open_device(driver: Any, port: str | None = None, **options: Any) -> Any:
    """Open one device; see ``riglog.open_device``. ``close`` closes it, and so does the end of a ``with`` block."""
    return opened(asynchronous.open_device(driver, port, **options))


def open_rig(rig: RigConfig | str | Path, **options: Any) -> BlockingManager:
    """Open the devices of a rig file; see ``riglog.open_rig``. ``close`` closes them."""
    manager: BlockingManager = opened(asynchronous.open_rig(rig, **options))
    return manager


def record(source: Any, **options: Any) -> Any:
    """Record a source; see ``riglog.record``. Recording ends with the ``with`` block."""
    return opened(record_asynchronously(unwrap(source), **options))


def record_rig(rig: RigConfig | str | Path, *, stop: threading.Event | None = None, **options: Any) -> Outcome:
    """Record a rig; see ``riglog.record_rig``.

    Args:
        stop: ends the recording when it is set, by another thread.
    """
    if (on_start := options.get("on_start")) is not None:
        options["on_start"] = lambda active_run: on_start(wrap(active_run))
    outcome: Outcome = blocking(_record_rig)(rig, stop, options)
    return outcome


async def _record_rig(rig: RigConfig | str | Path, stop: threading.Event | None, options: dict[str, Any]) -> Outcome:
    if stop is None:
        return await asynchronous.record_rig(rig, **options)
    stopped = anyio.Event()

    async def look() -> None:
        while not stop.is_set():
            await anyio.sleep(LOOK_SECONDS)
        stopped.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        try:
            return await asynchronous.record_rig(rig, stop=stopped, **options)
        except Exception as error:  # raised as it is, not as a group of one
            failure = error
        finally:
            tasks.cancel_scope.cancel()
    raise failure
