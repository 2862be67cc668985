"""Reading back: the rows of a recording, its events and gaps, and export into other formats.

The names are imported when one of them is used: a command needs few of them. So no module here has the name of one.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.recordings._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
