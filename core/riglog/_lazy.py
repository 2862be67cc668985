"""Public names of a package that are imported when one of them is used for the first time.

The package lists its names once, as ordinary imports in a module ``_names``, where type checkers and editors find them.
Each has the form that exports it::

    from riglog.manager import Manager as Manager

Its ``__init__`` takes them from there, for type checkers at once and for Python when they are needed::

    if TYPE_CHECKING:
        from riglog._names import *
    else:
        __getattr__, __dir__ = lazy_names(__name__)

``__all__`` is derived. The names are imported together: what a program uses needs most of the package anyway.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy_names(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package with a module ``_names``."""

    def load() -> dict[str, Any]:
        """Make the names ordinary attributes of the package, so that ``__getattr__`` is not called again."""
        attributes = vars(sys.modules[package])
        names = vars(import_module(f"{package}._names"))
        public = {name: value for name, value in names.items() if not name.startswith("_")}
        attributes.update(public, __all__=sorted(public))
        return attributes

    def get(name: str) -> Any:
        if name == "__all__" or not (name.startswith("_") or _is_module(f"{package}.{name}")):
            attributes = load()
            if name in attributes:
                return attributes[name]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        return list(load()["__all__"])

    return get, names


def _is_module(name: str) -> bool:
    """True for a module below the package: Python asks for it as an attribute before it imports it."""
    from importlib.util import find_spec

    return find_spec(name) is not None
