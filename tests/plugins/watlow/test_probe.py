"""Controllers on a port are found by reading only."""

from typing import Any

import pytest

from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedBus, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link
from riglog_watlow import WatlowConfig, WatlowDriver
from riglog_watlow.connect import context_for
from riglog_watlow.parameters import WireValue
from riglog_watlow.probe import LINKS
from riglog_watlow.simulator import SimulatedPM, StdBusSimulator, simulator
from riglog_watlow.targets import Target


def peer(**settings: Any) -> Simulator:
    return simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **settings))


async def found(link: Link, *simulators: Simulator) -> list[tuple[object, str, dict[str, Any]]]:
    transport = SimulatedTransport(FaultyWire(SimulatedBus(simulators)))
    controllers = await WatlowDriver().probe(Connection(transport, link, LoopClock()))
    return [(one.address, one.identity, one.settings) for one in controllers]


STDBUS, RTU = LINKS[0], LINKS[1]


async def test_every_controller_on_a_standard_bus_is_found() -> None:
    assert await found(STDBUS, StdBusSimulator(1), StdBusSimulator(16)) == [
        (1, "PM3R1CA-AAAAAAA 123457", {"protocol": "stdbus", "address": 1}),
        (16, "PM3R1CA-AAAAAAA 123472", {"protocol": "stdbus", "address": 16}),
    ]


async def test_every_family_is_recognised_over_modbus() -> None:
    line = [peer(protocol="modbus-rtu", family=family, address=at) for at, family in enumerate(("pm", "sd", "f4p"), 1)]
    assert await found(RTU, *line) == [
        (1, "EZ-ZONE PM 123457", {"protocol": "modbus-rtu", "address": 1, "family": "pm", "baudrate": 9600}),
        (2, "Series SD 1234-5602", {"protocol": "modbus-rtu", "address": 2, "family": "sd", "baudrate": 9600}),
        (3, "Series F4P 123403", {"protocol": "modbus-rtu", "address": 3, "family": "f4p", "baudrate": 9600}),
    ]


async def test_parity_is_part_of_the_settings_found() -> None:
    ((_, _, settings),) = await found(LINKS[2], peer(protocol="modbus-rtu"))
    assert settings["parity"] == "E"


@pytest.mark.parametrize("link", LINKS, ids=str)
async def test_no_response_is_not_an_error(link: Link) -> None:
    assert await found(link) == []


async def test_another_protocol_gives_no_response() -> None:
    assert await found(STDBUS, peer(protocol="modbus-rtu")) == []
    assert await found(RTU, StdBusSimulator(1)) == []


class Locked(SimulatedPM):
    """Fails if it is written to."""

    def write(self, one: Target, value: WireValue, now: float) -> None:
        raise AssertionError("a probe wrote")


async def test_a_probe_writes_nothing_and_settings_reach_what_was_found() -> None:
    line = StdBusSimulator(4, controller=Locked(4))
    ((_, _, settings),) = await found(STDBUS, line)
    driver = WatlowDriver()
    config = WatlowConfig(name="again", driver="watlow", port="sim:", **settings)
    driver.check(config)
    client = driver.connect(Connection(SimulatedTransport(FaultyWire(line)), driver.link(config), LoopClock()))
    assert await driver.device(config, client, context_for(config, client.clock)).identity() == "123460"
