"""Analyzers in a rig: timeouts of the configuration, not responding and responding again, a lost connection."""

import anyio
import pytest

from riglog.manager import Manager
from riglog.model import Event, Status
from riglog.plugin import configure
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog.testing import LoopClock
from riglog_servomex import Analyzer, ServomexDriver

DRIVER = ServomexDriver()


def wire_of(protocol: str) -> FaultyWire:
    """Return the simulated analyzer of a driver without any further setting."""
    config = configure(DRIVER, {"name": "gas", "driver": "servomex", "port": "sim:", "protocol": protocol}, "device")
    return FaultyWire(DRIVER.simulator(config))


@pytest.mark.parametrize("protocol", DRIVER.protocols)
async def test_the_timeout_of_the_configuration_is_applied_over_every_protocol(protocol: str) -> None:
    took = []
    for timeout in (0.5, 8.0):
        async with Manager(clock=LoopClock()) as rig:
            wire = wire_of(protocol)
            gas = await rig.add("gas", SimulatedTransport(wire), driver="servomex", protocol=protocol, timeout=timeout)
            wire.plugged = False
            began = anyio.current_time()
            assert {sample.status for sample in await gas.poll()} == {Status.MISSING}
            took.append(anyio.current_time() - began)
    assert 0.5 - 1e-9 <= took[0] < 1.0
    assert 8.0 <= took[1] < 9.0


@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_an_analyzer_that_does_not_respond_is_suspended_and_has_values_again_when_it_responds(
    protocol: str,
) -> None:
    events: list[Event] = []
    async with Manager(clock=LoopClock()) as rig:
        wire = wire_of(protocol)
        await rig.add("gas", SimulatedTransport(wire), driver="servomex", protocol=protocol)
        rig.subscribe(events.append)
        wire.plugged = False
        statuses = [{sample.status for sample in await rig.poll()} for _ in range(4)]
        assert statuses == [{Status.MISSING}, {Status.MISSING}, {Status.SKIPPED}, {Status.SKIPPED}]
        wire.plugged = True
        while {sample.status for sample in await rig.poll()} != {Status.OK}:
            await anyio.sleep(1)
    assert [event.message for event in events] == [
        "device not responding: polling suspended, retried at intervals",
        "device responding again",
    ]


async def test_a_broadcast_goes_on_after_a_lost_connection() -> None:
    async with Manager(clock=LoopClock()) as rig:
        gas = await rig.add("gas", "sim:gas", driver="servomex", protocol="continuous", period=2.0)
        assert isinstance(gas, Analyzer)
        (source,) = rig.sources()
        assert {sample.status for sample in await source.poll()} == {Status.OK}
        transport = rig.port("sim:gas").transport.inner
        assert isinstance(transport, SimulatedTransport)
        transport.cut()
        lost = await source.poll()
        assert {(sample.value, sample.status) for sample in lost} == {(None, Status.SKIPPED)}
        with anyio.fail_after(10):
            back = await source.poll()
        assert {sample.status for sample in back} == {Status.OK}
        assert gas.snapshot().frames_discarded == 0
