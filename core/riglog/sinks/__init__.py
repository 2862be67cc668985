"""Sinks, and the formats in which recordings are read back. A sample becomes columns only in ``rows``.

The sinks are imported when one of them is used: most programs use one.
"""

from typing import TYPE_CHECKING

from riglog.sinks.rows import rows as rows  # at once: a module has the same name

if TYPE_CHECKING:
    from riglog.sinks._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
