"""riglog records rigs made of instruments of different vendors into one table.

The public names are imported when one of them is used for the first time, so that ``import riglog`` takes little time.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
