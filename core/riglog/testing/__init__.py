"""For tests of riglog and of plugins: the conformance kit, virtual time, scripted ports.

Simulated ports are in ``riglog.simulation``. The names are imported when they are used: the kit needs pytest.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.testing._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
