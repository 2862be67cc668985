"""Instruments with a line-based ASCII protocol for riglog, described by an instrument file.

The public names are imported when one of them is used for the first time, so that loading the plugin takes little time.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog_ascii._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
