"""riglog for programs that are not asynchronous: the same names, and every call blocks.

``with riglog.sync.open_rig("rig.toml") as rig: print(rig.poll())``

All calls are performed by one event loop in a thread of its own, which the first call starts: in a script, in a
notebook, and from several threads at once. Ctrl-C cancels the call that waits; what a recording has received by then is
stored. What is still open at the end of the program is closed.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riglog.sync._names import *  # noqa: F403
else:
    from riglog._lazy import lazy_names

    __getattr__, __dir__ = lazy_names(__name__)
