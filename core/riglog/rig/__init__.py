"""Recording a whole rig from its configuration: open the devices, record them, store the rows.

The public names are imported when one of them is used: a program without a rig file does not need what reads it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.rig._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
