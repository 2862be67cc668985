"""Every kind of fault in continuous mode: no wrong value, and no old frame taken for a new one."""

from collections.abc import Callable

import pytest

from riglog.model import Sample
from riglog.simulation import Fault, FaultyWire
from riglog_servomex import Analyzer
from riglog_servomex.simulator import BroadcastSimulator, SimulatedAnalyzer

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
