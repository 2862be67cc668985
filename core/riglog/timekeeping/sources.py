"""Who knows how good the clock is: the kernel and chrony on Linux, w32time on Windows, the settings of macOS."""

import json
import math
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from riglog.model import NS, ClockState
from riglog.timekeeping.kernel import KernelClock, kernel_clock
from riglog.timekeeping.programs import SECONDS, output_of

MOST_SECONDS = 10 * 365 * 86_400.0
"""A figure above this is no figure of a clock."""
CHRONY_FIELDS = 14
SHOWN_CHARACTERS = 60
WINDOWS_SECONDS = re.compile(r"(-?\d{1,9}(?:[.,]\d{1,12})?)s\b")


class Outside:
    """What sources use of the computer, so that each can be tried on any other one."""

    def run(self, *command: str) -> str | None:
        """Return what a program prints; None if there is none, or it fails."""
        return output_of(*command, seconds=SECONDS)

    def kernel_clock(self) -> KernelClock | None:
        return kernel_clock()


class ClockSource(ABC):
    """What an operating system knows of its clock. ``command`` lets a time server set it."""

    command: str

    def __init__(self, outside: Outside | None = None) -> None:
        self.outside = outside or Outside()

    def read(self) -> ClockState:
        """Return the state of the clock. Blocking, for some seconds at most.

        If several sources know it, it is synchronised only if none states that it is not, and the error is the largest.
        """
        return _joined([state for state in self.states() if state is not None])

    @abstractmethod
    def states(self) -> Sequence[ClockState | None]:
        """Return what each source states; None: it states nothing that can be used."""


class LinuxClock(ClockSource):
    """The kernel, and chrony if it runs."""

    command = "sudo timedatectl set-ntp true  # without systemd: sudo apt install chrony"

    def states(self) -> Sequence[ClockState | None]:
        kernel = self.outside.kernel_clock()
        tracking = self.outside.run("chronyc", "-n", "-c", "tracking")
        return (None if kernel is None else of_kernel(kernel)), of_chrony(tracking or "")


class MacClock(ClockSource):
    """Whether the settings permit a time server. Not tested on a Mac."""

    command = "sudo systemsetup -setusingnetworktime on"

    def states(self) -> Sequence[ClockState | None]:
        text = self.outside.run("/usr/sbin/systemsetup", "-getusingnetworktime") or ""
        if "Time:" not in text:
            return ()
        return (ClockState(synchronized=text.strip().endswith("On"), method="systemsetup"),)


class WindowsClock(ClockSource):
    """The Windows time service. Not tested on Windows."""

    command = "w32tm /resync  # as administrator; before it: net start w32time"

    def states(self) -> Sequence[ClockState | None]:
        root = os.environ.get("SYSTEMROOT", "C:\\Windows")  # by its path: Windows looks into the current folder first
        return (of_w32time(self.outside.run(f"{root}\\System32\\w32tm.exe", "/query", "/status") or ""),)


def of_kernel(found: KernelClock) -> ClockState:
    """Return what the kernel states: ``maxerror`` is its bound, which grows by 500 us a second until it is set."""
    known = found.synchronized and 0 <= found.most_error_us < MOST_SECONDS * 1e6
    return ClockState(
        synchronized=found.synchronized,
        offset_ns=found.offset_ns if known else None,
        error_ns=max(found.most_error_us * 1000, abs(found.offset_ns)) if known else None,
        method="adjtimex",
        details=json.dumps({"adjtimex": dict(found._asdict())}),
    )


def of_chrony(text: str) -> ClockState | None:
    """Return what ``chronyc -c tracking`` states; None if it is not that.

    The error is that of its manual: offset + root dispersion + half of the root delay.
    """
    fields = text.strip().split(",")
    if len(fields) != CHRONY_FIELDS:
        return None
    try:
        stratum = int(fields[2])
    except ValueError:
        return None
    offset, delay, dispersion = (_figure(fields[n]) for n in (4, 10, 11))
    synchronized = fields[13] in ("Normal", "Insert second", "Delete second") and 0 < stratum < 16
    known = synchronized and offset is not None and delay is not None and dispersion is not None
    known = known and (delay or 0.0) >= 0 and (dispersion or 0.0) >= 0
    details = {"source": fields[1], "stratum": stratum, "leap": fields[13], "delay": delay, "dispersion": dispersion}
    error = abs(offset or 0.0) + (dispersion or 0.0) + (delay or 0.0) / 2
    return ClockState(
        synchronized=synchronized,
        offset_ns=round(offset * NS) if known and offset is not None else None,
        error_ns=math.ceil(error * NS) if known else None,
        method="chrony",
        details=json.dumps({"chrony": {key: _short(value) for key, value in details.items()}}),
    )


def of_w32time(text: str) -> ClockState | None:
    """Return what ``w32tm /query /status`` states, by the order of its lines: their words are translated."""
    lines = text.splitlines()
    first = lines[0].rpartition(":")[2].strip()[:1] if lines else ""
    if not first.isdecimal() or len(lines) < 2:
        return None
    seconds = [_figure(each.replace(",", ".")) for line in lines[:6] for each in WINDOWS_SECONDS.findall(line)]
    synchronized = first != "3"
    figures = (
        seconds[-2:] if len(seconds) >= 2 else [None, None]
    )  # the precision has none behind its bits, or "per tick"
    delay, dispersion = figures
    known = synchronized and delay is not None and dispersion is not None and delay >= 0 and dispersion >= 0
    return ClockState(
        synchronized=synchronized,
        error_ns=math.ceil(((dispersion or 0.0) + (delay or 0.0) / 2) * NS) if known else None,
        method="w32time",
        details=json.dumps({"w32time": {"leap": first, "delay": delay, "dispersion": dispersion}}),
    )


def _figure(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < MOST_SECONDS else None


def _short(value: object) -> object:
    return value[:SHOWN_CHARACTERS] if isinstance(value, str) else value


def _joined(states: Sequence[ClockState]) -> ClockState:
    if not states:
        return ClockState(synchronized=None)
    synchronized = all(state.synchronized for state in states)
    errors = [state.error_ns for state in states if state.error_ns is not None]
    offsets = [state.offset_ns for state in states if state.offset_ns is not None]
    details: dict[str, Any] = {}
    for state in states:
        details |= json.loads(state.details or "{}")
    return ClockState(
        synchronized=synchronized,
        offset_ns=offsets[-1] if offsets and synchronized else None,  # chrony knows it better than the kernel
        error_ns=max(errors) if errors and synchronized else None,
        method="+".join(state.method for state in states),
        details=json.dumps(details, separators=(",", ":")) if details else None,
    )


SOURCES: dict[str, type[ClockSource]] = {"darwin": MacClock, "win32": WindowsClock}


def clock_source(platform: str = sys.platform, outside: Outside | None = None) -> ClockSource:
    """Return the source of this computer; every system that is not known is like Linux."""
    return SOURCES.get(platform, LinuxClock)(outside)
