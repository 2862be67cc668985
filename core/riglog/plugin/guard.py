"""Calls of code that belongs to a plugin: its exceptions are kept as texts, its output goes to stderr."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from msgspec import Struct

from riglog.errors import RiglogError, describe
from riglog.log import get_logger

if TYPE_CHECKING:
    from riglog.plugin.driver import AnyDriver

T = TypeVar("T")
log = get_logger("riglog.plugin")

PLUGIN_ERRORS = (Exception, SystemExit)
"""What loading a plugin can raise without ending the program; its devices: see ``is_plugin_fault``."""
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
