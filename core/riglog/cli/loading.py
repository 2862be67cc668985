"""Loads the plugins for a command. One that does not return is named: nothing else is shown by then."""

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from riglog.cli.console import print_warning

if TYPE_CHECKING:
    from riglog.plugin import Registry

SLOW_SECONDS = 20.0
LOOK_SECONDS = 0.5


def load_installed(*, with_drivers: bool = False) -> "Registry":
    """Return the plugins of this environment; warn of each that takes longer than ``SLOW_SECONDS``."""
    from riglog.plugin import installed

    loaded = threading.Event()
    with suppress(RuntimeError):  # no more threads
        threading.Thread(target=_warn_of_slow_plugins, args=(loaded,), name="riglog-slow-plugins", daemon=True).start()
    try:
        registry = installed()
        if with_drivers:
            _ = registry.drivers
        return registry
    finally:
        loaded.set()


def _warn_of_slow_plugins(loaded: threading.Event) -> None:
    from riglog.plugin.guard import running_plugin
    from riglog.plugin.loader import DISABLED

    named: set[str] = set()
    while not loaded.wait(LOOK_SECONDS):
        now = running_plugin()
        if now is not None and now.plugin not in named and time.monotonic() - now.since >= SLOW_SECONDS:
            named.add(now.plugin)
            print_warning(
                f"plugin {now.plugin}: not loaded after {SLOW_SECONDS:g} s."
                f" If this does not end, disable it with {DISABLED}={now.plugin}"
            )
