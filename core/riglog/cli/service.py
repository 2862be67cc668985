"""Notes to a service manager such as systemd: recording, alive, stopping. Without a service manager nothing is sent.

The protocol is that of sd_notify(3): one datagram with lines ``NAME=VALUE`` to the socket in ``NOTIFY_SOCKET``.
"""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

import anyio

MIN_INTERVAL_SECONDS = 0.05
STATUS_SECONDS = 10.0
"""Between two notes if the service manager has no watchdog."""


class ServiceManager:
    """Where notes are sent to.

    Args:
        environment: that of the process, in which the service manager gives its socket and the time of its watchdog.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog_seconds = _watchdog_seconds(environment)

    @property
    def present(self) -> bool:
        """True if there is a service manager that takes notes."""
        return sys.platform != "win32" and self._address.startswith(("/", "@"))

    async def keep_alive(self, status: Callable[[], str]) -> None:
        """Report that recording has begun, and then that the event loop is alive, until cancelled.

        Args:
            status: returns a line about the recording, for ``systemctl status``.
        """
        if not self.present:
            return
        self.send("READY=1", f"STATUS={status()}")
        seconds = STATUS_SECONDS if self._watchdog_seconds is None else self._watchdog_seconds / 2
        while True:
            await anyio.sleep(max(seconds, MIN_INTERVAL_SECONDS))
            self.send("WATCHDOG=1", f"STATUS={status()}")

    def stopping(self) -> None:
        """Report that the recording ends."""
        self.send("STOPPING=1")

    def send(self, *lines: str) -> None:
        """Send one datagram. It never waits, and a service manager that does not take it ends no recording."""
        if sys.platform == "win32" or not self.present:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.setblocking(False)
            datagrams.sendto("\n".join(lines).encode(), address)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """Return after how many seconds without a note the service manager ends this process; None: it does not."""
    text, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not text.isdecimal() or int(text) == 0 or process not in (None, str(os.getpid())):
        return None
    return int(text) / 1e6
