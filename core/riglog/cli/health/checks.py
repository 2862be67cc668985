"""The checks of ``riglog doctor``. Each looks at one matter, opens no port, and changes nothing."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from riglog.cli.health.finding import Finding, State
from riglog.cli.health.forecast import DAY, folders, rows_per_day
from riglog.cli.health.system import System
from riglog.cli.sizes import format_bytes, free_bytes
from riglog.config import RigConfig
from riglog.errors import RiglogError
from riglog.plugin import Registry
from riglog.plugin.loader import UNKNOWN
from riglog.timekeeping import ClockSource

Holders = dict[str, list[str]]
FIXED_SQLITE = (3, 51, 3)
LATENCY_MS = 2
LOW_DAYS = 30.0
LOW_BYTES = 1_000_000_000
PYTHONS = ((3, 11), (3, 13))
"""The oldest and the newest Python with which riglog is tested."""


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Finding]:
    text = ".".join(map(str, version))
    oldest, newest = PYTHONS
    if oldest <= version[:2] <= newest:
        yield Finding("python", "ok", f"Python {text}")
    else:
        tested = " to ".join(".".join(map(str, each)) for each in PYTHONS)
        yield Finding("python", "advice", f"Python {text}: riglog is tested with {tested}")


def sqlite(version: tuple[int, ...]) -> Iterator[Finding]:
    text = ".".join(map(str, version))
    if version >= FIXED_SQLITE:
        yield Finding("sqlite", "ok", f"SQLite {text}")
    else:
        yield Finding(
            "sqlite",
            "advice",
            f"SQLite {text}: before 3.51.3, a second program that writes into a recording can damage it; riglog locks"
            " the file, so let no other program write into it while it is recorded",
        )


def plugins(registry: Registry) -> Iterator[Finding]:
    for plugin in registry.plugins:
        if plugin.disabled:
            yield Finding("plugin", "advice", f"{plugin.name}: {plugin.problem}", "unset RIGLOG_DISABLED_PLUGINS")
        elif plugin.problem is not None:
            mend = None if plugin.distribution == UNKNOWN else f"pip install --force-reinstall {plugin.distribution}"
            yield Finding("plugin", "problem", f"{plugin.name} {plugin.version}: {plugin.problem}", mend)
        elif plugin.warning is not None:
            yield Finding("plugin", "advice", f"{plugin.name} {plugin.version}: {plugin.warning}")
        elif UNKNOWN in (plugin.distribution, plugin.version):
            yield Finding("plugin", "advice", f"{plugin.name}: the metadata of its package cannot be read")
        else:
            yield Finding("plugin", "ok", f"{plugin.name} {plugin.version}")
    if not registry.drivers:
        yield Finding("plugin", "problem", "no driver is installed", "pip install 'riglog[all]'")


def clock(source: ClockSource) -> Iterator[Finding]:
    state = source.read()
    if state.synchronized is None:
        yield Finding("clock", "advice", f"{state}", source.command)
    elif state.synchronized:
        yield Finding("clock", "ok", f"{state}")
    else:
        yield Finding("clock", "problem", f"{state}: times of rows can be wrong", source.command)


def ports(devices: Sequence[str], system: System, holders: Holders, *, needed: bool) -> Iterator[Finding]:
    """Check ports, each by its device file.

    Args:
        needed: the rig records from them, so a port that cannot be used is a problem.
    """
    for device in devices:
        found = list(_port(device, system, holders.get(device, []), needed=needed))
        yield from found or [Finding("port", "ok", f"{device}: can be opened")]
    if not devices and not needed:
        yield Finding("port", "advice", "no serial port: is the adapter plugged in?")


def _port(device: str, system: System, users: Sequence[str], *, needed: bool) -> Iterator[Finding]:
    state: State = "problem" if needed else "advice"
    if needed and not os.path.exists(device) and sys.platform != "win32":
        yield Finding("port", "problem", f"{device}: port not found", "riglog ports")
        return
    if (refusal := system.refusal(device)) is not None:
        yield Finding("port", state, f"{device}: {refusal.reason}", refusal.command)
    if users and not device.startswith("/dev/pts/"):  # a pseudo-terminal is held by what simulates the instrument
        number = users[0].rpartition("(")[2].rstrip(")")
        yield Finding("port", state, f"{device}: in use by {', '.join(users)}", f"kill {number}")
    if (latency := system.latency_ms(device)) is not None and latency[0] > LATENCY_MS:
        milliseconds, command = latency
        yield Finding("port", "advice", f"{device}: the adapter holds replies back for {milliseconds} ms", command)


def certificates(rig: RigConfig, now_ns: int) -> Iterator[Finding]:
    """Look for certificates of the rig whose end has passed, or will within 30 days."""
    from riglog.rig.equipment import SOON_DAYS, overdue_message
    from riglog.rig.equipment import certificates as certificates_of

    for each, one in certificates_of(rig.equipment):
        left = one.days_left(now_ns)
        if left is None:
            continue
        state: State = "problem" if left <= 0 else "advice" if left <= SOON_DAYS else "ok"
        text = overdue_message(one) if left <= 0 else f"certificate {one.number}: valid until {one.valid_until}"
        yield Finding("certificate", state, f"{each.device}: {text}")


def disks(rig: RigConfig, system: System) -> Iterator[Finding]:
    """Forecast how long the disks of a rig last, and look at where they are."""
    expected = rows_per_day(rig)
    without = f", without {', '.join(expected.unknown)}" if expected.unknown else ""
    for folder, size in folders(rig).items():
        free = free_bytes(folder / "x")
        daily = expected.rows * size
        if free is None:
            yield Finding("disk", "problem", f"{folder}: directory not found", f"mkdir -p {folder}")
            continue
        facts = f"{folder}: {format_bytes(free)} free; {expected.rows:,.0f} rows, {format_bytes(daily)} a day{without}"
        if daily:
            days = free / daily
            wanted = (rig.duration or 0.0) / DAY
            state: State = "problem" if days < max(1.0, wanted) else "advice" if days < LOW_DAYS else "ok"
            yield _disk(state, f"{facts}; full in {format_days(days)}", folder)
        else:
            yield _disk("advice" if free < LOW_BYTES else "ok", facts, folder)
        if (kind := system.network_mount(folder)) is not None:
            yield Finding(
                "disk",
                "problem",
                f"{folder} is on a network file system ({kind}): record on a local disk, and copy with riglog export"
                " or forward",
            )


def _disk(state: State, facts: str, folder: Path) -> Finding:
    return Finding("disk", state, facts, None if state == "ok" else f"du -sh {folder}/* | sort -h")


async def sinks(rig: RigConfig) -> list[Finding]:
    """Check, by reading only, that every sink can be opened."""
    found = []
    for sink, place in zip(rig.sinks, rig.destinations, strict=True):
        try:
            await sink.check()
        except RiglogError as error:
            found.append(Finding("sink", "problem", f"{error}", error.hint))
        else:
            found.append(Finding("sink", "ok", f"{place}: can be written"))
    return found


def format_days(days: float) -> str:
    """Return a time of days: ``5 hours``, ``12 days``, ``3 years``."""
    if days < 2:
        return f"{days * 24:.0f} hours"
    return f"{days:.0f} days" if days < 730 else f"{min(days / 365, 1000):.0f} years"
