"""A recording with everything that a picture shows: many channels, gaps, statuses, notes, events, alarms, two runs."""

import math
from pathlib import Path

import anyio
import msgspec

from riglog.model import (
    NS,
    Actor,
    AlarmChange,
    AlarmState,
    Batch,
    Channel,
    Event,
    EventKind,
    Note,
    Run,
    Sample,
    Stamp,
    Status,
    missing_sample,
)
from riglog.sinks import SqliteSink

START = 1_795_176_000 * NS  # 2026-11-20T12:00:00Z
HOSTILE = "<script>alert(1)</script> $\\frac{x$ \x1b[31m\u202e"


def channels(count: int) -> list[Channel]:
    """Channels of several devices: temperatures, and in every sixth place a pressure or a flow."""
    found = []
    for place in range(count):
        unit = {4: "bar", 5: "l/min"}.get(place % 6, "degC")
        name = {"bar": "pressure", "l/min": "flow"}.get(unit, "process_value")
        found.append(
            Channel(
                device=f"oven{place // 6 + 1}",
                driver="watlow",
                protocol="stdbus",
                address=place // 6 + 1,
                parameter=name,
                instance=place % 6 + 1 if unit == "degC" else 1,
                unit=unit,
            )
        )
    return found


def run_of(number: int, name: str = "kiln") -> Run:
    return Run(
        f"{name}.{number:04d}", name, START + number * 7200 * NS, 5_000 * NS, 1.0, "lab-pc", {"riglog": "0"}, None
    )


def batches(run: Run, of: list[Channel], seconds: int, period: float = 1.0) -> list[Batch]:
    """A run: the second device is dead for a third of it, one channel is suspect for a time, and one has faults."""
    found = []
    for tick in range(int(seconds / period)):
        at = tick * period
        if 0.82 < at / seconds < 0.86:  # the computer was suspended: no rows
            continue
        received = run.started_ns + round(at * NS)
        stamp = Stamp(received, 3_000_000, run.anchor_ns + round(at * NS))
        samples = []
        for place, channel in enumerate(of):
            if channel.device == "oven2" and 0.3 < at / seconds < 0.63:
                samples.append(missing_sample(channel, stamp, Status.MISSING, "no reply"))
                continue
            status = Status.OK
            if place == 0 and at / seconds < 0.12:
                status = Status.SUSPECT
            if place == 2 and 0.5 < at / seconds < 0.52:
                status = Status.FAULT
            value = (
                20.0
                + 6 * place
                + 4 * math.sin(at / seconds * 9 + place + run.started_ns % 7)
                + 0.3 * math.sin(tick * 2.1)
            )
            samples.append(Sample(channel=channel, stamp=stamp, value=value, unit=channel.unit, status=status))
        found.append(Batch("bus", tick, samples))
    return found


def happened(run: Run, seconds: int, hostile: bool = True) -> list[Event]:
    """Notes, a lost device and two alarms."""
    author = Actor("anna", "riglog note", "lab-pc")

    def at(share: float) -> int:
        return run.started_ns + round(share * seconds * NS)

    def note(share: float, text: str, device: str | None = None) -> Event:
        detail = Note(
            message_id=f"{run.id}{share}".encode().hex().ljust(32, "0")[:32],
            text=text,
            at_ns=at(share),
            written_ns=at(share),
            author=author,
            device=device,
        )
        return Event(at(share), EventKind.NOTE, f"anna: {text}", device, detail=detail)

    def alarm(name: str, channel: str, share: float, state: AlarmState) -> Event:
        definition = msgspec.json.encode({"channel": channel, "high": 30}).decode()
        kind = {AlarmState.RAISED: EventKind.ALARM_RAISED, AlarmState.CLEARED: EventKind.ALARM_CLEARED}.get(
            state, EventKind.ALARM_DEFINED
        )
        change = AlarmChange(
            alarm=name, definition=definition, at_ns=at(share), state=state, value=31.0, text="too hot"
        )
        return Event(at(share), kind, f"{name}: too hot", channel.partition(".")[0], detail=change)

    return [
        Event(at(0), EventKind.RUN_STARTED, "recording at 1 Hz started"),
        alarm("hot", "oven1.process_value", 0, AlarmState.DEFINED),
        alarm("flow low", "oven1.flow", 0, AlarmState.DEFINED),
        note(0.1, "door opened", "oven1"),
        alarm("hot", "oven1.process_value", 0.2, AlarmState.RAISED),
        Event(at(0.3), EventKind.DEVICE_NOT_RESPONDING, "no reply; polling suspended", "oven2", "/dev/ttyUSB0"),
        alarm("hot", "oven1.process_value", 0.4, AlarmState.CLEARED),
        note(0.45, HOSTILE if hostile else "filter changed"),
        Event(at(0.5), EventKind.WRITE, "setpoint 75 -> 80", "oven1"),
        Event(at(0.63), EventKind.DEVICE_RESPONDING, "responds again", "oven2", "/dev/ttyUSB0"),
        alarm("flow low", "oven1.flow", 0.9, AlarmState.RAISED),
        note(0.95, "sample taken"),
        Event(at(1), EventKind.RUN_FINISHED, "finished"),
    ]


def pictured(path: Path, count: int = 6, seconds: int = 600, runs: int = 1, period: float = 1.0) -> Path:
    """Write such a recording."""

    async def write() -> None:
        for number in range(runs):
            run = run_of(number)
            sink = SqliteSink(path)
            await sink.check()
            await sink.open(run)
            found = batches(run, channels(count), seconds, period)
            for first in range(0, len(found), 1000):
                await sink.write(found[first : first + 1000], ())
            await sink.write((), happened(run, seconds))
            await sink.aclose()

    anyio.run(write)
    return path
