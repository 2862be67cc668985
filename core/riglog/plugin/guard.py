"""Calls of code that belongs to a plugin: its exceptions are kept as texts, its output goes to stderr."""

import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from msgspec import Struct

from riglog.errors import RiglogError, describe
from riglog.log import get_logger

if TYPE_CHECKING:
    from riglog.plugin.driver import AnyDriver

T = TypeVar("T")
log = get_logger("riglog.plugin")

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""Those whose handlers end programs, as far as this system has them. Without a handler of Python, none raises."""
_CALLERS = (
    "<frozen importlib",
    *(os.path.dirname(str(file)) for file in (__file__, importlib.__file__, pluggy.__file__)),
)


class DriverFault(Struct, frozen=True):
    """A call of a driver that failed because of a bug in its plugin.

    Attributes:
        driver: the name of the driver.
        call: the method, such as ``probe()``.
        error: the exception in one line.
        traceback: where it was raised.
    """

    driver: str
    call: str
    error: str
    traceback: str

    def __str__(self) -> str:
        return f"driver {self.driver}: {self.call} failed: {self.error}"


OnFault = Callable[[DriverFault], None]


def log_fault(fault: DriverFault) -> None:
    """Log a fault as a warning, and its traceback at debug."""
    log.warning("%s", fault)
    log.debug("%s", fault.traceback)


class Caught:
    """What the code of a plugin raised, or None.

    Attributes:
        plugin: what to call the plugin.
        since: when the code began, by ``time.monotonic``.
    """

    error: BaseException | None = None

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.since = time.monotonic()


_running: list[Caught] = []


def running_plugin() -> Caught | None:
    """Return the code of a plugin that runs now, in any thread; None if none does."""
    return next(iter(_running), None)


@contextmanager
def plugin_code(plugin: str) -> Iterator[Caught]:
    """Run code of a plugin while it is loaded: whatever it raises is caught, also KeyboardInterrupt.

    What the handler of a signal raises meanwhile is no fault of the plugin. It is raised, also if the plugin caught it:
    Ctrl-C ends a program that imports a plugin. Handlers run in the main thread only.
    """
    caught = Caught(plugin)
    with _raised_by_signals() as by_signals:
        _running.append(caught)
        try:
            with stdout_to_stderr():
                yield caught
        except BaseException as error:
            caught.error = error
        finally:
            _running.remove(caught)
    if by_signals:
        raise by_signals[0]


@contextmanager
def _raised_by_signals() -> Iterator[list[BaseException]]:
    """Keep in a list what the handlers of the program raise, which are called as before."""
    raised: list[BaseException] = []
    replaced: list[tuple[int, Any, Any]] = []
    try:
        if threading.get_ident() == threading.main_thread().ident:
            for number in SIGNALS:
                before = signal.getsignal(number)
                if callable(before):
                    keeping = _keep_raised(before, raised)
                    replaced.append((number, before, keeping))
                    signal.signal(number, keeping)
        yield raised
    finally:
        for number, before, keeping in replaced:
            if signal.getsignal(number) is keeping:  # else the plugin installed a handler of its own
                signal.signal(number, before)


def _keep_raised(
    handler: Callable[[int, FrameType | None], Any], raised: list[BaseException]
) -> Callable[[int, FrameType | None], Any]:
    def handle(number: int, frame: FrameType | None) -> Any:
        try:
            return handler(number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    return handle


@contextmanager
def catch_faults(driver: "AnyDriver[Any]", call: str, on_fault: OnFault = log_fault) -> Iterator[None]:
    """Report an exception of the block as a fault of the driver, instead of raising it.

    Args:
        call: the method that the block calls, for the report.
    """
    from riglog.device import is_plugin_fault

    try:
        yield
    except BaseException as error:
        if not is_plugin_fault(error):
            raise
        on_fault(DriverFault(driver.name, call, describe(error), traceback_text(error)))


@contextmanager
def bugs_as(kind: type[RiglogError], driver: "AnyDriver[Any]", call: str) -> Iterator[None]:
    """Raise an error of riglog in place of an exception of the block that is not one.

    Args:
        kind: the error to raise.
        call: the method that the block calls, for the message.
    """
    from riglog.device import DRIVER_ERROR, is_plugin_fault

    try:
        yield
    except RiglogError:
        raise
    except BaseException as error:
        if not is_plugin_fault(error) or _is_of_riglog(error):
            raise
        log.debug("%s", traceback_text(error))
        hint = "Report it to the author of the plugin"
        problem = f"{DRIVER_ERROR}: {call}: {describe(error)}"
        raise kind(problem, hint=hint, driver=driver.name) from error


def _is_of_riglog(error: BaseException) -> bool:
    """True for several errors of riglog together: all mistakes of a file."""
    return isinstance(error, BaseExceptionGroup) and error.split(RiglogError)[1] is None


def is_a(kind: type, given: T) -> T:
    """Return what a method of a plugin returned.

    Raises:
        TypeError: it is of another type.
    """
    if not isinstance(given, kind):
        raise TypeError(f"returned {type(given).__name__} instead of {kind.__name__}")
    return given


def each_is(kind: type[T], given: object) -> tuple[T, ...]:
    """Return what a method of a plugin returned, as a tuple.

    Raises:
        TypeError: it cannot be iterated over, or an item is of another type.
    """
    if not isinstance(given, Iterable):
        raise TypeError(f"returned {type(given).__name__} instead of a list")
    items = tuple(given)
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"returned a list with {type(item).__name__} instead of {kind.__name__}")
    return items


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect what the block prints: standard output can be a JSON document."""
    with redirect_stdout(sys.stderr):
        yield


def traceback_text(error: BaseException) -> str:
    """Return the traceback of an exception, from the first frame that belongs to the plugin."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_CALLERS):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))
