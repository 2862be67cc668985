"""How plugins are written (Driver, DirectDriver, hookimpl), loaded (loader), checked (checks) and found (registry).

The public names are imported when one of them is used: the commands of a plugin must not load its drivers.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.plugin._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
