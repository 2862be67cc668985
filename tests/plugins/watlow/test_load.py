"""The load of Watlow controllers on a line: as computed, and with the inter-frame gaps that Modbus requires."""

import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.manager import Manager
from riglog.model import Status
from riglog.simulation import FaultyWire, SimulatedBus, Simulator
from riglog.simulation.peer import SimulatedPeer
from riglog.simulation.serve import PtyServer
from riglog.transport import Link
from riglog_watlow import WatlowConfig, WatlowDriver
from riglog_watlow.simulator import simulator

MakeBench = Callable[..., Any]


def peer(**settings: Any) -> Simulator:
    return simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"protocol": "stdbus"},
        {"protocol": "stdbus", "parameters": ("input_error", "process_value", "part_number", "alarm_delay")},
        {"protocol": "modbus-rtu"},
        {"protocol": "modbus-rtu", "wire_temperature_unit": "degF"},
        {"protocol": "modbus-ascii", "parameters": ("setpoint", "setpoint_min", "alarm_high_setpoint")},
        {"protocol": "modbus-tcp", "zone": 1},
        {"protocol": "modbus-rtu", "family": "f4p"},
        {"protocol": "modbus-rtu", "family": "sd", "parameters": ("process_value", "units", "setpoint")},
    ],
)
async def test_a_poll_sends_exactly_the_computed_load(settings: dict[str, Any], bench: MakeBench) -> None:
    rig = bench(peer(**settings))
    oven = rig.controller(**settings)
    await oven.open()
    await oven.poll()
    await anyio.sleep(1.5)  # the settings are checked again
    sent, requests = rig.transport.sent, rig.client.counters.requests
    assert all(sample.status is Status.OK for sample in await oven.poll())
    computed = rig.driver.transactions(oven.config)
    assert len(computed) == rig.client.counters.requests - requests
    assert sum(one.sent for one in computed) == rig.transport.sent - sent
    assert all(one.inter_frame_gap == rig.client.line.inter_frame_gap for one in computed)


async def test_replies_are_as_long_as_computed(bench: MakeBench) -> None:
    for settings in ({"protocol": "stdbus"}, {"protocol": "modbus-rtu"}):
        end = peer(**settings)
        rig = bench(end)
        oven = rig.controller(**settings)
        await oven.open()
        await oven.poll()
        await anyio.sleep(1.5)
        lengths: list[int] = []
        respond = end.receive

        def counting(data: bytes, now: float, respond: Any = respond, lengths: list[int] = lengths) -> bytes:
            reply: bytes = respond(data, now)
            lengths.append(len(reply))
            return reply

        end.receive = counting  # type: ignore[method-assign]
        await oven.poll()
        computed = sorted(one.received for one in rig.driver.transactions(oven.config))
        assert len(lengths) == len(computed)
        for length, longest in zip(sorted(lengths), computed, strict=True):
            assert longest - 2 <= length <= longest  # every other read has one register more


class Recording(SimulatedPeer):
    """A peer that records when requests arrived and when its replies were sent, in its own time."""

    def __init__(self, inner: SimulatedPeer) -> None:
        self.inner = inner
        self.frames: list[tuple[float, str]] = []

    def send(self, data: bytes, now: float) -> None:
        self.frames.append((time.monotonic(), "request"))
        self.inner.send(data, now)

    def take(self, now: float) -> bytes:
        data = self.inner.take(now)
        if data:
            self.frames.append((time.monotonic(), "reply"))
        return data

    def next_due(self, now: float) -> float | None:
        return self.inner.next_due(now)


@pytest.mark.real_time
@pytest.mark.parametrize("baudrate", [9600, 38400])
async def test_a_modbus_line_is_idle_between_a_reply_and_the_next_request(
    baudrate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers on one line, measured there: 3.5 idle character times after every reply."""
    monkeypatch.setattr("riglog.transport.serial.PSEUDO_TERMINALS", "/dev/none/")  # this one stands for a line
    line = Recording(FaultyWire(SimulatedBus(peer(protocol="modbus-rtu", address=address) for address in (1, 2))))
    server = PtyServer(line)
    server.plug()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run)
        async with Manager() as rig:
            for address in (1, 2):
                settings = {"driver": "watlow", "protocol": "modbus-rtu", "baudrate": baudrate}
                await rig.add(f"oven{address}", server.path, address=address, **settings)
            for _ in range(10):
                samples = await rig.poll()
        server.unplug()
        tasks.cancel_scope.cancel()
    assert all(sample.status is Status.OK for sample in samples)
    idle = max(3.5 * 10 / baudrate, 0.00175)
    gaps = [
        after - before
        for (before, was), (after, kind) in zip(line.frames, line.frames[1:], strict=False)
        if (was, kind) == ("reply", "request")
    ]
    assert len(gaps) >= 60
    assert min(gaps) >= idle


def test_devices_share_a_port_exactly_if_their_port_settings_are_equal() -> None:
    driver = WatlowDriver()

    def link(**settings: Any) -> Link:
        return driver.link(WatlowConfig(name="x", driver="watlow", port="COM1", **settings))

    assert link(address=1) == link(address=2)
    assert link().baudrate == 38400
    assert link(protocol="modbus-rtu").baudrate == 9600
    assert link(protocol="modbus-rtu", family="sd") == link(protocol="modbus-rtu", address=9)
    assert link(protocol="modbus-rtu") != link()
    assert link(protocol="modbus-rtu", baudrate=19200) == link(protocol="modbus-rtu", family="f4p")


async def test_two_zones_of_one_gateway_are_two_addresses_for_the_manager() -> None:
    zones = {"driver": "watlow", "protocol": "modbus-tcp", "wire_temperature_unit": "degC"}
    async with Manager() as rig:
        for zone in (1, 2):
            await rig.add(f"zone{zone}", "sim:gateway", zone=zone, **zones)
        samples = await rig.poll()
    assert [sample.address for sample in samples] == ["1+0"] * 3 + ["1+5000"] * 3
    assert all(sample.status is Status.OK for sample in samples)
