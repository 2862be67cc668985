"""Live values of riglog for an MQTT broker, with Home Assistant discovery.

The public names are imported when one of them is used for the first time, so that loading the plugin takes little time.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog_mqtt._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
