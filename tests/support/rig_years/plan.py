"""One simulated life of a rig, drawn from one seed: its devices, its recordings, and everything that disturbs them."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from riglog.simulation import Fault

Table = Mapping[str, Any]

WIRE_FAULTS = (
    *(fault.value for fault in Fault if fault not in (Fault.UNPLUG, Fault.LATE)),
    "late",
    "late-aimed",
    "copy",
    "glue-sent",
    "copy-sent",
)
"""Damage of single replies. ``late`` comes 0.3 to 2.5 s late, ``late-aimed`` while the next poll waits for its reply,
if a reply can be so late (``late_reply_limit``);
``copy`` is followed by a second, equal reply. ``glue-sent`` is ``glue`` of frames that nothing has requested,
``copy-sent`` sends such a frame once more before the next one."""
PORT_KINDS = ("cable", "off", "swap-cut", "swap-off", "swap-silent", "swap-live")
PANEL_KINDS = ("panel-unit", "panel-word_order", "panel-decimals", "panel-sensor", "panel-during-poll")
PROGRAM_KINDS = ("clock-step", "suspend", "store-slow", "store-fails", "store-full", "leave-and-join")
SESSION_KINDS = ("stop", "cancel", "crash", "clock-back", "swap-between-runs")
KINDS = (*WIRE_FAULTS, *PORT_KINDS, *PANEL_KINDS, *PROGRAM_KINDS, *SESSION_KINDS)


UNLIMITED = 100_000
"""Samples that a store buffers: more than a life has."""
UNNOTICED_SECONDS = 60.0
"""The identity is read at this interval while the line is idle (``identity_check``)."""
LEAST_RETRIED_SECONDS = 4.0
"""A store that fails is retried for so long when a recording ends; the default is 5 s."""
LEAST_PERIOD_TO_CHECK = 10.0
"""Seconds between two polls in which there is time for that."""


class Focus(Struct, frozen=True):
    """What a life looks at more closely, so that one class of faults shows soon.

    Attributes:
        ports: the keys of its ports; empty: drawn.
        pause: the time between two disturbances, and that for which stores are full, is so many times the usual one.
        buffer_size: samples that a store buffers at most, in a life with stores that are full.
        stream_size: batches between polling and the stores.
    """

    ports: tuple[str, ...] = ()
    pause: float = 1.0
    buffer_size: int = 120
    stream_size: int = 64


ANYTHING = Focus()


class PortPlan(Struct, frozen=True):
    """One port with its devices. ``faults``: the wire faults that its protocol can detect.

    The others are no matter for a test: an altered digit without a checksum, or a repeated line without a number, is
    what the instrument sent, as far as a program can know.
    """

    key: str
    port: str
    devices: tuple[Table, ...]
    faults: tuple[str, ...]
    swappable: bool = True
    listens: bool = False


def watlow(name: str, protocol: str, **keys: Any) -> Table:
    return {"name": name, "driver": "watlow", "protocol": protocol, **keys}


def servomex(name: str, protocol: str, **keys: Any) -> Table:
    return {"name": name, "driver": "servomex", "protocol": protocol, **keys}


def sartorius(name: str, protocol: str, **keys: Any) -> Table:
    return {"name": name, "driver": "sartorius", "protocol": protocol, **keys}


WEIGHTS = ("net", "gross", "tare", "temperature")
CHECKED = tuple(fault for fault in WIRE_FAULTS if not fault.endswith("-sent"))
UNCHECKED = tuple(fault for fault in CHECKED if fault != "corrupt")
SENT = tuple(fault for fault in WIRE_FAULTS if fault not in ("late", "late-aimed", "copy", "glue"))

PORTS = (
    PortPlan(
        "stdbus",
        "/dev/ttyUSB1",
        (watlow("oven-1", "stdbus", address=1), watlow("oven-2", "stdbus", address=2)),
        CHECKED,
    ),
    PortPlan(
        "mixed-rtu",
        "/dev/ttyUSB2",
        (
            watlow("furnace", "modbus-rtu", address=1, baudrate=9600),
            servomex("stack", "modbus-rtu", address=30, baudrate=9600),
        ),
        CHECKED,
    ),
    PortPlan("sd-ascii", "/dev/ttyUSB3", (watlow("bath", "modbus-ascii", family="sd", address=3),), CHECKED),
    PortPlan("pm-tcp", "tcp://10.0.0.4:502", (watlow("kiln", "modbus-tcp", address=1),), UNCHECKED),
    PortPlan("f4p-rtu", "/dev/ttyUSB5", (watlow("chamber", "modbus-rtu", family="f4p", address=7),), CHECKED),
    PortPlan("gas-ascii", "/dev/ttyUSB6", (servomex("exhaust", "modbus-ascii", address=9),), CHECKED),
    PortPlan("gas-sent", "/dev/ttyUSB7", (servomex("glovebox", "continuous", period=10.0),), SENT, listens=True),
    PortPlan("xbpi", "/dev/ttyUSB8", (sartorius("balance", "xbpi", parameters=WEIGHTS),), CHECKED),
    PortPlan("sbi", "/dev/ttyUSB9", (sartorius("scale", "sbi"),), UNCHECKED),
    PortPlan(
        "sbi-sent",
        "/dev/ttyUSB10",
        (sartorius("dispenser", "sbi", autoprint=True, timeout=30.0),),
        tuple(fault for fault in SENT if fault not in ("corrupt", "glue-sent", "copy-sent")),
        swappable=False,
        listens=True,
    ),
)
SPECIAL_PORTS = (
    PortPlan(
        "gross-sent",
        "/dev/ttyUSB11",
        (sartorius("weigher", "sbi", autoprint=True, timeout=30.0, parameters=("net", "gross")),),
        (),
        swappable=False,
        listens=True,
    ),
)
"""Only for lives that look at them: a balance that was never tared prints the gross weight alone."""


class Disturbance(Struct, frozen=True):
    """What disturbs the rig from ``start`` to ``end``, in seconds since the begin of its life.

    ``port`` is the key of a port, ``device`` a name, ``detail`` what else was drawn.
    """

    kind: str
    start: float
    end: float
    port: str | None = None
    device: str | None = None
    rates: dict[str, float] = {}
    detail: float = 0.0


class Session(Struct, frozen=True):
    """One start of the program. ``ending``: how it ends. ``utc_step`` is what the clock is set by before it starts."""

    number: int
    start: float
    end: float
    ending: str
    resume: bool
    utc_step: float = 0.0


class Plan(Struct, frozen=True):
    """The life of one rig. All times in seconds."""

    seed: int
    period: float
    seconds: float
    ports: tuple[PortPlan, ...]
    own_rates: dict[str, float]
    flush_interval: float
    buffer_size: int
    sessions: tuple[Session, ...]
    disturbances: tuple[Disturbance, ...]
    stream_size: int = 64

    @property
    def device_seconds(self) -> float:
        return self.seconds * sum(len(port.devices) for port in self.ports)

    def port_of(self, device: str) -> PortPlan:
        return next(port for port in self.ports if any(table["name"] == device for table in port.devices))


def draw_plan(seed: int, *, kinds: Sequence[str] = KINDS, slots: int = 360, focus: Focus = ANYTHING) -> Plan:
    """Draw the life of a rig of about ``slots`` slots, with disturbances of these kinds only."""
    rng = random.Random(f"plan {seed}")
    period = rng.choice([1.0, 2.0, 10.0, 30.0, 60.0, 300.0])
    seconds = slots * max(period, 3.0) * rng.uniform(0.8, 1.2)
    ports = tuple(sorted(rng.sample(PORTS, rng.choice([3, 4, 5])), key=lambda port: port.key))
    if focus.ports:
        ports = tuple(port for port in (*PORTS, *SPECIAL_PORTS) if port.key in focus.ports)
    polled = [str(table["name"]) for port in ports for table in port.devices if not port.listens]
    sessions = tuple(draw_sessions(rng, seconds, period, kinds))
    disturbances = list(draw_disturbances(rng, seconds, period, ports, kinds, focus))
    if "swap-between-runs" in kinds:
        disturbances += draw_swaps_between(rng, sessions, ports)
    disturbances = [found for found in disturbances if not fails_beyond_the_end(found, sessions)]
    back = any(found.kind == "clock-step" and found.detail < 0 for found in disturbances)
    new_runs = [
        session
        for session in sessions
        if not session.resume or session.utc_step or back or "swap-between-runs" not in kinds
    ]
    disturbances = [found for found in disturbances if not (found.kind.startswith("swap") and spans(found, new_runs))]
    full = any(found.kind == "store-full" for found in disturbances)
    return Plan(
        seed,
        period,
        seconds,
        ports,
        {name: 0.5 / period for name in polled if rng.random() < 0.15},
        max(1.0, rng.choice([0.2, 1.0, 3.0]) * period),
        focus.buffer_size if full else UNLIMITED,
        sessions,
        tuple(sorted(disturbances, key=lambda found: found.start)),
        focus.stream_size,
    )


def draw_sessions(rng: random.Random, seconds: float, period: float, kinds: Sequence[str]) -> Iterator[Session]:
    endings = [kind for kind in ("stop", "cancel", "crash") if kind in kinds] or ["stop"]
    start, number = 0.0, 0
    for end in [*sorted(rng.uniform(0.1, 0.9) * seconds for _ in range(rng.randint(1, 4))), seconds]:
        if end - start > 6 * period + 20:
            resume = number > 0 and rng.random() < 0.7
            back = "clock-back" in kinds and resume and rng.random() < 0.4
            step = -rng.uniform(0.5, 20.0) * period if back else 0.0
            yield Session(number, start, end, rng.choice(endings), resume, step)
            number, start = number + 1, end + rng.uniform(0.2, 8.0) * period


def draw_disturbances(
    rng: random.Random, seconds: float, period: float, ports: Sequence[PortPlan], kinds: Sequence[str], focus: Focus
) -> Iterator[Disturbance]:
    """Draw disturbances one after the other, in a time that is long enough for the rig to recover in between."""
    enabled = [kind for kind in (*PORT_KINDS, *PANEL_KINDS, *PROGRAM_KINDS) if kind in kinds]
    if any(fault in kinds for fault in WIRE_FAULTS):
        enabled += ["wire"] * 8
    at = rng.uniform(4.0, 12.0) * period
    while enabled and at < seconds:
        kind = rng.choice(enabled)
        port = rng.choice(ports)
        length = rng.choice([0.02, 0.3, rng.uniform(0.5, 3.0), rng.uniform(3.0, 12.0)]) * period
        found = draw_disturbance(rng, kind, at, length, period, port, kinds, focus)
        if found is not None and (found.end < seconds or not kind.startswith("swap")):
            yield found
            at = max(at, found.end if rng.random() < 0.8 else at)
        at += rng.uniform(0.5, 8.0) * period * focus.pause + 3.0


def draw_disturbance(
    rng: random.Random,
    kind: str,
    at: float,
    length: float,
    period: float,
    port: PortPlan,
    kinds: Sequence[str],
    focus: Focus,
) -> Disturbance | None:
    """Draw one of a kind; None if it does not fit the port."""
    device = str(rng.choice(port.devices)["name"])
    detail = rng.random()
    if kind == "wire":
        possible = [fault for fault in port.faults if fault in kinds]
        if not possible:
            return None
        chosen = rng.sample(possible, min(len(possible), rng.randint(1, 3)))
        rates = {fault: rng.choice([0.05, 0.2, 0.5]) for fault in sorted(chosen)}
        return Disturbance(kind, at, at + length + 4 * period, port.key, None, rates)
    if kind.startswith("swap"):
        if kind == "swap-live" and period < LEAST_PERIOD_TO_CHECK:
            return None
        if not port.swappable or (port.listens and kind == "swap-off") or (kind == "swap-silent" and not port.listens):
            return None
        return Disturbance(kind, at, at + (6 + 10 * detail) * period + 200.0, port.key, device)
    if kind in PORT_KINDS:
        return Disturbance(kind, at, at + length, port.key, device)
    if kind in PANEL_KINDS:
        return Disturbance(kind, at, at, port.key, device, {}, detail)
    if kind == "clock-step":
        return Disturbance(
            kind,
            at,
            at,
            None,
            None,
            {},
            rng.choice([-1, 1] if "clock-back" in kinds else [1, 1]) * rng.choice([0.8, 5.0, 3600.0]),
        )
    if kind == "suspend":
        seconds = rng.uniform(0.2, 8.0) * period
        return Disturbance(kind, at, at + seconds, None, None, {}, seconds)
    if kind == "store-slow":
        return Disturbance(kind, at, at + 3 * length, None, None, {}, rng.uniform(0.1, 2.0) * period)
    if kind == "store-full":
        full = rng.uniform(25.0, 80.0) * period * focus.pause
        return Disturbance(kind, at, at + 60 * period * focus.pause, None, None, {}, full)
    return Disturbance(kind, at, at + length, None, device, {}, detail)


def spans(found: Disturbance, sessions: Sequence[Session]) -> bool:
    """Return True if a disturbance is there while one of these starts: a new run takes what it finds."""
    return any(found.start - 30.0 < session.start < found.end + 60.0 for session in sessions)


def fails_beyond_the_end(found: Disturbance, sessions: Sequence[Session]) -> bool:
    """Return True if a store fails for longer than it is retried at the end of a recording: then it loses rows."""
    return found.kind == "store-fails" and any(
        found.start <= session.end < found.end - LEAST_RETRIED_SECONDS for session in sessions
    )


def draw_swaps_between(
    rng: random.Random, sessions: Sequence[Session], ports: Sequence[PortPlan]
) -> Iterator[Disturbance]:
    """Put another instrument in a place while the program does not run, until it does not run again."""
    for before, now, after in zip(sessions, sessions[1:], sessions[2:], strict=False):
        port = rng.choice(ports)
        if (
            port.swappable and now.resume and not now.utc_step and rng.random() < 0.5
        ):  # a new run takes the instruments that are there
            start, end = (before.end + now.start) / 2, (now.end + after.start) / 2
            yield Disturbance("swap-between-runs", start, end, port.key, str(rng.choice(port.devices)["name"]))
