"""Public names of a package, each imported when it is used for the first time.

The package lists its names once, as ordinary imports in a module ``_names``, where type checkers and editors find them.
Each is one line of the form that exports it::

    from riglog.manager import Manager as Manager

Its ``__init__`` takes them from there, for type checkers at once and for Python when they are needed::

    if TYPE_CHECKING:
        from riglog._names import *
    else:
        __getattr__, __dir__ = lazy_names(__name__)

At run time ``_names`` is read as a text, and never imported: a program that uses one name must not load the rest.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package with a module ``_names``."""
    homes: dict[str, str] = {}

    def home_of_names() -> dict[str, str]:
        if not homes:
            homes.update(_listed(f"{package}._names"))
        return homes

    def get(name: str) -> Any:
        if name == "__all__":
            return sorted(home_of_names())
        home = None if name.startswith("_") else home_of_names().get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)  # an ordinary attribute from now on
        return value

    def names() -> list[str]:
        return sorted(home_of_names())

    return get, names


def _listed(module: str) -> dict[str, str]:
    """Return the names that a module exports, with the module from which it imports each."""
    spec = find_spec(module)
    source = getattr(spec.loader, "get_source", lambda _: None)(module) if spec is not None else None
    if source is None and spec is not None and spec.origin is not None:  # pytest rewrites modules, and has no source
        with open(spec.origin, encoding="utf-8") as file:
            source = file.read()
    imports = [line.split() for line in (source or "").splitlines() if line.startswith("from ")]
    return {words[-1]: words[1] for words in imports}
