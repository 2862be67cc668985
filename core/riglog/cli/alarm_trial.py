"""Alarms of a rig file tried before it is recorded: on given values, on simulated instruments, and their actions."""

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import anyio
from msgspec import Struct, structs

from riglog.alarms import ChannelAlarm, ProgramAction
from riglog.config import RigConfig
from riglog.derived import Deriver
from riglog.errors import ConfigError, RiglogError
from riglog.manager import DeviceSpec, Manager
from riglog.model import SYSTEM_CLOCK, Batch, Channel, Sample, Stamp, Value, iso
from riglog.rig import check_commands

SIMULATED = "simulated"


class Tried(Struct, frozen=True):
    """An alarm on a channel, and what a value does to it."""

    alarm: str
    channel: str
    conditions: str
    source: str
    value: float | None = None
    text: str | None = None
    unit: str | None = None
    result: str = "no value"
    problem: str | None = None


class Fired(Struct, frozen=True):
    """An action that was started; ``problem``: why it failed."""

    name: str
    problem: str | None = None


def given_values(given: Sequence[str]) -> dict[str, Value]:
    """Return the values of ``--value CHANNEL=VALUE``: a number, or a text.

    Raises:
        ConfigError: it is written in another way.
    """
    found: dict[str, Value] = {}
    for each in given:
        channel, equals, text = each.partition("=")
        if not equals:
            raise ConfigError(f"--value: invalid value {each!r}; expected CHANNEL=VALUE", hint="See --help")
        found[channel] = text
        with suppress(ValueError):
            found[channel] = float(text)
    return found


def try_alarms(rig: RigConfig, given: Mapping[str, Value]) -> list[Tried]:
    """Evaluate each alarm on each channel: on the value given for it, or on one of its simulated instrument.

    Raises:
        ConfigError: a value is given for a channel without an alarm.
    """
    channels = [channel for alarm in rig.alarms for channel in alarm.channels]
    for channel in given:
        if channel not in channels:
            raise ConfigError(
                f"--value: no alarm on channel {channel!r}", hint=f"Channels: {', '.join(dict.fromkeys(channels))}"
            )
    simulated = anyio.run(_simulated, [spec for spec in rig.specs if spec.port is not None]) if rig.alarms else {}
    simulated |= _derived(rig, list(simulated.values()))
    unknown = {spec.name for spec in rig.specs} - {sample.device for sample in simulated.values()}
    found = []
    for alarm in rig.alarms:
        for channel in alarm.channels:
            device = channel.partition(".")[0]
            tried = Tried(alarm.name, channel, alarm.summary, SIMULATED)
            if channel in given:
                sample = _sample(channel, given[channel], alarm.unit)
                found.append(
                    _evaluated(structs.replace(tried, source="given"), ChannelAlarm(alarm, channel, 0), sample)
                )
            elif channel in simulated:
                found.append(_evaluated(tried, ChannelAlarm(alarm, channel, 0), simulated[channel]))
            elif device in unknown:
                found.append(structs.replace(tried, result="not simulated"))
            else:
                names = ", ".join(sorted(name for name in simulated if name.startswith(f"{device}.")))
                found.append(structs.replace(tried, problem=f"unknown channel; {device} has {names}"))
    return found


def fire_actions(rig: RigConfig, *, allow_commands: bool) -> list[Fired]:
    """Start each action once, one after the other. Blocking.

    Raises:
        ConfigError: one starts a program, which is not allowed.
    """
    check_commands(rig, allow_commands=allow_commands)
    facts = {
        "run": rig.name,
        "host": socket.gethostname(),
        "alarm": "test",
        "channel": "test",
        "state": "test",
        "reason": "test of the action, nothing is wrong",
        "value": None,
        "text": None,
        "unit": None,
        "at": iso(SYSTEM_CLOCK.utc_ns()),
    }
    fired = []
    for action in rig.actions:
        if isinstance(action, ProgramAction) and not allow_commands:
            continue
        try:
            action.run(facts)
            fired.append(Fired(action.name))
        except RiglogError as error:
            fired.append(Fired(action.name, error.message))
    return fired


def _evaluated(tried: Tried, watch: ChannelAlarm, sample: Sample) -> Tried:
    """Return what a value does to an alarm if it stays."""
    turn = watch.take(sample) or watch.look(sample.stamp.monotonic_ns + watch.alarm.hold_ns)
    after = f" after {watch.alarm.hold_s:g} s" if watch.alarm.hold_ns else ""
    value = sample.value
    return structs.replace(
        tried,
        value=None if value is None or isinstance(value, str) else float(value),
        text=value if isinstance(value, str) else sample.text,
        unit=sample.unit,
        result=f"raised{after}: {', '.join(turn.conditions)}" if turn is not None else "not raised",
    )


def _sample(name: str, value: Value, unit: str | None) -> Sample:
    device, _, parameter = name.partition(".")
    channel = Channel(device=device, driver="given", protocol="given", address=None, parameter=parameter)
    return Sample(channel=channel, stamp=Stamp(time.time_ns(), None, 0), value=value, unit=unit)


async def _simulated(specs: Sequence[DeviceSpec]) -> dict[str, Sample]:
    """Return one sample of each channel of simulated instruments, by the names of the channels."""
    found: dict[str, Sample] = {}
    for spec in specs:
        with suppress(RiglogError):
            async with Manager() as manager:
                await manager.add_spec(_simulated_spec(spec))
                for source in manager.sources():
                    found |= {str(sample.channel): sample for sample in await source.poll()}
    return found


def _derived(rig: RigConfig, samples: Sequence[Sample]) -> dict[str, Sample]:
    """Return one sample of each derived channel, as if all samples were of one slot."""
    deriver = Deriver(rig.derived, SYSTEM_CLOCK)
    batches = [*deriver.derive(Batch(SIMULATED, 0, samples)), *deriver.rest()]
    return {str(sample.channel): sample for batch in batches for sample in batch.samples if sample.channel.formula}


def _simulated_spec(spec: DeviceSpec) -> DeviceSpec:
    assert spec.port is not None
    name = f"sim:{spec.name}"
    return structs.replace(
        spec,
        config=structs.replace(spec.config, port=name),
        port=structs.replace(spec.port, name=name, key=name),
    )
