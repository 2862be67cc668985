"""Objects whose methods block: each stands for an object of riglog, and calls it in the event loop.

A method that is a coroutine is waited for, an async iterator becomes an iterator, and a result that has asynchronous
methods itself is wrapped in turn. Arguments that are such objects are unwrapped.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import wraps
from types import TracebackType
from typing import Any, Self

import anyio.to_thread

from riglog.acquire import ActiveRun
from riglog.device import Device
from riglog.manager import Manager
from riglog.sync.background import Entered, call


class Blocking:
    """Stands for one object. ``close`` closes it, and so does the end of a ``with`` block."""

    def __init__(self, target: Any, entered: Entered[Any] | None = None) -> None:
        self._target = target
        self._entered = entered

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = call(getattr, self._target, name)
        return _blocking_method(value) if inspect.ismethod(value) or inspect.isfunction(value) else wrap(value)

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *(name for name in dir(self._target) if not name.startswith("_"))})

    def __repr__(self) -> str:
        return f"<blocking {self._target!r}>"

    def __eq__(self, other: object) -> bool:
        return self._target is unwrap(other)

    def __hash__(self) -> int:
        return hash(id(self._target))

    def __iter__(self) -> Iterator[Any]:
        if not hasattr(self._target, "__aiter__"):
            raise TypeError(f"{type(self._target).__name__} cannot be iterated over")
        return iterate(call(aiter, self._target))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return self._entered.leave(error) if self._entered is not None else False

    def close(self) -> None:
        """Close it. A second call does nothing."""
        if self._entered is not None:
            self._entered.leave()
        elif hasattr(self._target, "close") or hasattr(self._target, "aclose"):
            call(getattr(self._target, "close", None) or self._target.aclose)


class BlockingManager(Blocking):
    """Stands for a Manager: operations on its devices are ordinary functions, called with blocking devices."""

    def execute_each(self, operation: Callable[[Any], Any], names: Any = None) -> Any:
        return wrap(call(self._target.execute_each, _in_thread(operation), names))

    def execute(self, operation: Callable[[Any, Any], Any], requests: Any) -> Any:
        return wrap(call(self._target.execute, _in_thread(operation), requests))


def opened(manager: AbstractAsyncContextManager[Any]) -> Any:
    """Enter an async context manager, and return what it gives as a blocking object that leaves it."""
    entered = Entered(manager)
    return _class_for(entered.value)(entered.value, entered)


def wrap(value: Any) -> Any:
    """Return a value whose asynchronous methods block, if it has any. Lists, tuples and dicts are looked into."""
    if isinstance(value, AsyncIterator):
        return iterate(value)
    if isinstance(value, Device | Manager | ActiveRun):
        return _class_for(value)(value)
    if type(value) in (list, tuple):
        return type(value)(wrap(each) for each in value)
    if type(value) is dict:
        return {key: wrap(each) for key, each in value.items()}
    if _has_coroutines(type(value)):
        return Blocking(value)
    return value


def unwrap(value: Any) -> Any:
    """Return the object for which a blocking one stands."""
    return value._target if isinstance(value, Blocking) else value


def blocking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that blocks until the asynchronous function has returned."""

    @wraps(function)
    def perform(*args: Any, **kwargs: Any) -> Any:
        return wrap(call(function, *map(unwrap, args), **{key: unwrap(value) for key, value in kwargs.items()}))

    return perform


def iterate(iterator: AsyncIterator[Any]) -> Iterator[Any]:
    """Iterate in this thread over what an async iterator gives."""
    while True:
        try:
            yield wrap(call(anext, iterator))
        except StopAsyncIteration:
            return


def _blocking_method(method: Callable[..., Any]) -> Callable[..., Any]:
    return blocking(method)


def _class_for(value: Any) -> type[Blocking]:
    return BlockingManager if isinstance(value, Manager) else Blocking


def _has_coroutines(kind: type) -> bool:
    """Return whether a class of riglog or of a plugin has asynchronous methods."""
    if kind.__module__.partition(".")[0] in ("builtins", "anyio"):
        return False
    return any(
        inspect.iscoroutinefunction(value)
        for name, value in inspect.getmembers_static(kind)
        if not name.startswith("_")
    )


def _in_thread(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine function that calls an ordinary one in a worker thread, with blocking objects."""

    async def perform(*args: Any) -> Any:
        return await anyio.to_thread.run_sync(lambda: unwrap(operation(*map(wrap, args))))

    return perform
