"""Every kind of fault in all three modes: no wrong value, and no old frame taken for a new one."""

from collections.abc import Callable

import pytest

from riglog.model import Sample, Status
from riglog.plugin import DeviceContext
from riglog.protocol import Connection
from riglog.simulation import Fault, FaultyWire, SimulatedBus, SimulatedTransport
from riglog.testing import LoopClock
from riglog_servomex import Analyzer, ServomexConfig, ServomexDriver
from riglog_servomex.simulator import BroadcastSimulator, ModbusSimulator, SimulatedAnalyzer

pytestmark = pytest.mark.slow

READS, EVERY = 200, 37
KINDS = [kind for kind in Fault if kind is not Fault.UNPLUG]


class Counting(SimulatedAnalyzer):
    """Every time a channel is read it has the next number: no value is repeated. ``sent`` are the last ones."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.count = start
        self.sent: dict[str, float] = {}

    def value(self, channel: str) -> float:
        if self.channels[channel].labelled:
            self.count += 1
        self.sent[channel] = self.count
        return float(self.count)


def script(fault: Fault, reads: int) -> list[Fault | None]:
    return [None] * 20 + ([None] * (EVERY - 1) + [fault]) * (reads // EVERY + 1)


@pytest.mark.parametrize("fault", [*([kind] for kind in KINDS), [Fault.LATE, Fault.LATE]], ids=str)
@pytest.mark.parametrize("protocol", ["modbus-rtu", "modbus-ascii"])
async def test_over_modbus_no_value_is_wrong_and_valid_ones_follow_at_once(protocol: str, fault: list[Fault]) -> None:
    """Two analyzers on one bus, two channels each; one reply in 37 is damaged."""
    analyzers = {30: Counting(0), 31: Counting(100_000)}
    bus = SimulatedBus(ModbusSimulator(protocol, unit, analyzer=analyzer) for unit, analyzer in analyzers.items())
    damage = [None] * 20 + ([None] * (EVERY - len(fault)) + fault) * (6 * READS // EVERY)
    driver = ServomexDriver()
    transport = SimulatedTransport(FaultyWire(bus, script=damage, late=1.5, seed=3))
    clock = LoopClock()
    gases = []
    client = None
    for unit in analyzers:
        config = ServomexConfig(
            name=f"gas{unit}", driver="servomex", port="sim:", protocol=protocol, address=unit, parameters=("I1", "I3")
        )
        client = client or driver.connect(Connection(transport, driver.link(config), clock))
        context = DeviceContext(device=config.name, driver="servomex", protocol=protocol, address=unit, clock=clock)
        gases.append(driver.device(config, client, context))
        await gases[-1].open()
    missing = failed = 0
    for number in range(READS):
        gas = gases[number % 2]
        samples = await gas.poll()
        sent = analyzers[gas.config.address].sent
        for sample in samples:
            if sample.value is None:
                missing += 1
                assert sample.status is Status.MISSING
            else:
                assert sample.value == sent[sample.parameter.upper()]
        failed = failed + 1 if samples[0].value is None else 0
        assert failed <= 2 * len(fault)
    harmless = {Fault.SPLIT, Fault.GARBAGE, Fault.GLUE, Fault.CORRUPT}
    assert missing or set(fault) <= harmless
    assert missing < 2 * READS / 4


@pytest.mark.parametrize("fault", KINDS)
async def test_over_broadcast_no_value_is_wrong_and_none_is_old(
    analyzer_on: Callable[..., Analyzer], fault: Fault
) -> None:
    analyzer = Counting(0)
    simulator = BroadcastSimulator(period=2.0, analyzer=analyzer)
    wire = FaultyWire(simulator, script=script(fault, READS), late=3.0, seed=5)
    gas = analyzer_on(wire, protocol="continuous", parameters=("I1",), period=2.0)
    await gas.open()
    samples: list[Sample] = []
    for _ in range(READS):
        samples += await gas.poll()
    values = [float(sample.value) for sample in samples if sample.value is not None]
    assert len(values) > READS * 0.9
    assert values == sorted(set(values))  # in the order in which they were measured, none twice
    assert all((value - 1) % 3 == 0 for value in values)  # the first of the three numbers of a frame
    for sample in samples:
        assert sample.value is not None or sample.error
    bad = [sample for sample in samples if sample.value is None]
    assert bad or fault in (Fault.SPLIT, Fault.CORRUPT, Fault.DROP, Fault.FOREIGN)
