"""Another instrument under the old name: found while the line stays up, over every protocol that has an identity."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from riglog.acquire import ActiveRun, record
from riglog.manager import Manager, resolve_device
from riglog.model import NS, Batch, Event, EventKind, Status
from riglog.plugin import installed
from riglog.simulation import FaultyWire, SimulatedTransport, Simulator, SwappedSimulator
from riglog.testing import LoopClock
from riglog.testing.virtual_time import EPOCH_NS

SWAPPED_AT = 91.0
IDENTITY_CHECK = 10.0

WATLOW_PM = {"driver": "watlow", "family": "pm", "address": 1, "parameters": ["process_value"]}
IDENTIFIED: dict[str, tuple[Mapping[str, Any], tuple[str, str]]] = {
    "watlow-stdbus": (WATLOW_PM | {"protocol": "stdbus"}, ("serial_number", "987654")),
    "watlow-modbus-rtu": (WATLOW_PM | {"protocol": "modbus-rtu"}, ("serial_number_int", "987654")),
    "watlow-modbus-tcp": (WATLOW_PM | {"protocol": "modbus-tcp"}, ("serial_number_int", "987654")),
    "servomex-modbus-rtu": ({"driver": "servomex", "protocol": "modbus-rtu"}, ("I4.name", "NO")),
    "servomex-modbus-ascii": ({"driver": "servomex", "protocol": "modbus-ascii"}, ("I4.name", "NO")),
    "servomex-continuous": ({"driver": "servomex", "protocol": "continuous", "period": 1.0}, ("I4.name", "NO")),
    "sartorius-xbpi": ({"driver": "sartorius", "protocol": "xbpi"}, ("family", "basic_lab")),
    "sartorius-sbi": ({"driver": "sartorius", "protocol": "sbi"}, ("family", "basic_lab")),
}


def simulated(table: Mapping[str, Any], setting: tuple[str, str] | None = None) -> Simulator:
    simulator = resolve_device(installed(), {**table, "name": "device", "port": "sim:x"}).simulator()
    if setting is not None:
        simulator.set(*setting)
    return simulator


async def recorded(
    table: Mapping[str, Any], simulator: Simulator, *, duration: float = 150, **settings: Any
) -> tuple[ActiveRun, list[Batch]]:
    """Record the simulated instrument at 0.5 Hz; its port never fails."""
    transport = SimulatedTransport(FaultyWire(simulator), port="line")
    async with Manager(clock=LoopClock()) as rig:
        await rig.add("device", transport, **table, **settings)
        async with record(rig, rate_hz=0.5, duration=duration, clock=LoopClock()) as recording:
            return recording, [batch async for batch in recording.stream]


def strangers(recording: ActiveRun) -> list[Event]:
    return [event for event in recording.events if event.kind is EventKind.WRONG_INSTRUMENT]


def values_after(batches: list[Batch], seconds: float) -> list[Batch]:
    return [
        batch
        for batch in batches
        if batch.samples[0].stamp.received_ns > EPOCH_NS + seconds * NS and batch.samples[0].status is Status.OK
    ]


@pytest.mark.parametrize("protocol", IDENTIFIED)
async def test_an_instrument_that_is_exchanged_on_a_live_line_is_noticed(protocol: str) -> None:
    table, other = IDENTIFIED[protocol]
    simulator = SwappedSimulator(simulated(table), [(SWAPPED_AT, simulated(table, other))])
    recording, batches = await recorded(table, simulator, identity_check=IDENTITY_CHECK)
    (event,) = strangers(recording)
    noticed = (event.at_ns - EPOCH_NS) / NS
    assert SWAPPED_AT < noticed <= SWAPPED_AT + IDENTITY_CHECK + 2.5  # until the line was idle
    assert "wrong instrument: expected " in event.message
    span = re.search(
        r"; those from (\S+) \(last confirmed\) to (\S+) \(this check\) may be from either$", event.message
    )
    assert span is not None
    confirmed, checked = ((datetime.fromisoformat(text).timestamp() - EPOCH_NS / NS) for text in span.groups())
    assert SWAPPED_AT - IDENTITY_CHECK - 2.5 < confirmed < SWAPPED_AT
    assert checked == pytest.approx(noticed, abs=1e-5)
    assert values_after(batches, noticed + 1.5) == []
    skipped = {sample.error for batch in batches for sample in batch.samples if sample.status is Status.SKIPPED}
    assert skipped == {event.message.partition("; those")[0]}  # one text for all rows


@pytest.mark.parametrize("protocol", [name for name in IDENTIFIED if "continuous" not in name])
async def test_identity_checks_make_no_slot_late_and_cost_no_row(protocol: str) -> None:
    table, _ = IDENTIFIED[protocol]
    recording, batches = await recorded(table, simulated(table), identity_check=4.0)
    assert [batch.tick for batch in batches] == list(range(75))
    assert {sample.status for batch in batches for sample in batch.samples} == {Status.OK}
    assert recording.summary.sources["line"].start_delay.maximum < 0.001
    assert recording.events[1:] == []


@pytest.mark.parametrize("protocol", IDENTIFIED)
async def test_without_the_check_a_stranger_stays_unnoticed(protocol: str) -> None:
    table, other = IDENTIFIED[protocol]
    simulator = SwappedSimulator(simulated(table), [(SWAPPED_AT, simulated(table, other))])
    recording, batches = await recorded(table, simulator, identity_check=0.0)
    assert strangers(recording) == []
    assert values_after(batches, SWAPPED_AT) != []


async def test_an_instrument_without_an_identity_is_no_stranger() -> None:
    table = {"driver": "sartorius", "protocol": "sbi", "autoprint": True}
    simulator = SwappedSimulator(simulated(table), [(SWAPPED_AT, simulated(table, ("family", "basic_lab")))])
    recording, batches = await recorded(table, simulator, identity_check=IDENTITY_CHECK)
    assert recording.events[1:] == []
    assert values_after(batches, 140.0) != []


class Nothing(Simulator):
    """Sends nothing: a cable that is out behind an adapter that stays connected."""

    def receive(self, data: bytes, now: float) -> bytes:
        return b""


@pytest.mark.parametrize("other", ["I4.name", None])
async def test_a_broadcaster_is_identified_again_after_a_silence(other: str | None) -> None:
    table: dict[str, Any] = {"driver": "servomex", "protocol": "continuous", "period": 1.0}
    after = simulated(table, None if other is None else (other, "NO"))
    simulator = SwappedSimulator(simulated(table), [(100.0, Nothing()), (120.0, after)])
    recording, batches = await recorded(table, simulator, identity_check=0.0)  # the interruption alone is enough
    kinds = [event.kind for event in recording.events[1:]]
    expected = [EventKind.DEVICE_NOT_RESPONDING, EventKind.DEVICE_RESPONDING]
    if other is not None:
        expected.insert(1, EventKind.WRONG_INSTRUMENT)
    assert kinds == expected
    assert recording.events[1].message == "device not responding: nothing received"
    assert bool(values_after(batches, 121.0)) is (other is None)


async def test_a_broadcaster_is_identified_again_after_a_single_missing_sample() -> None:
    table: dict[str, Any] = {"driver": "servomex", "protocol": "continuous", "period": 1.0}
    simulator = SwappedSimulator(simulated(table), [(100.0, Nothing()), (107.0, simulated(table, ("I4.name", "NO")))])
    recording, batches = await recorded(table, simulator, identity_check=0.0)
    assert [event.kind for event in recording.events[1:]] == [EventKind.WRONG_INSTRUMENT]
    assert values_after(batches, 107.0) == []


async def test_a_balance_in_autoprint_mode_cannot_be_identified_after_a_silence() -> None:
    """A limit: it has no identity in this mode, so nothing is claimed."""
    table: dict[str, Any] = {"driver": "sartorius", "protocol": "sbi", "autoprint": True}
    after = simulated(table, ("family", "basic_lab"))
    simulator = SwappedSimulator(simulated(table), [(100.0, Nothing()), (120.0, after)])
    recording, batches = await recorded(table, simulator)
    assert [event.kind for event in recording.events[1:]] == [
        EventKind.DEVICE_NOT_RESPONDING,
        EventKind.DEVICE_RESPONDING,
    ]
    assert values_after(batches, 121.0) != []
