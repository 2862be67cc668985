"""SQLite recordings: the schema, the sink, and everything that reads them back.

The public names are imported when one of them is used: a recorder does not read recordings.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.sinks.sqlite._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
