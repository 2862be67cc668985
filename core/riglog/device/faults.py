"""Exceptions of foreign code: which of them are bugs of a plugin, and which end the run."""

import sys

import anyio

DRIVER_ERROR = "driver error (bug in the plugin)"


def is_plugin_fault(error: BaseException) -> bool:
    """Return whether an exception comes from a plugin, and not from the end of the run (cancellation, Ctrl-C).

    A plugin can raise anything: SystemExit, the panic of a compiled library, a group of exceptions, or the cancellation
    of a future of its own, which must not be taken for a cancellation of the task.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_plugin_fault, error.exceptions))
    if isinstance(error, Exception):
        return True
    return not isinstance(error, KeyboardInterrupt | GeneratorExit) and not _cancels_this_task(error)


def _cancels_this_task(error: BaseException) -> bool:
    try:
        cancelled = anyio.get_cancelled_exc_class()
    except RuntimeError:  # no event loop is running
        return False
    if not isinstance(error, cancelled):
        return False
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or cancelled is not asyncio.CancelledError:
        return True  # trio lets nobody else raise it
    task = asyncio.current_task()
    return task is None or bool(task.cancelling()) or anyio.get_current_task().has_pending_cancellation()
