"""Nothing that goes wrong on the line becomes a wrong value."""

import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.transport import Fault
from riglog_watlow.parameters import WireValue
from riglog_watlow.plan import Target
from riglog_watlow.simulator import SimulatedPM, StdBusSimulator

READS, EVERY = 200, 37
PARAMETERS = ("setpoint", "integral_time")


class Counting(SimulatedPM):
    """Every read of a float gets a number of its own, so that a stale or foreign value shows."""

    def __init__(self, address: int, said: list[tuple[int, str, WireValue]]) -> None:
        super().__init__(address)
        self.address = address
        self.said = said

    def read(self, one: Target, now: float) -> WireValue:
        value = super().read(one, now)
        if one.parameter.name in PARAMETERS:
            value = float(len(self.said))
            self.said.append((self.address, one.parameter.name, value))
        return value


def script(fault: Fault) -> list[Fault | None]:
    """One reply in 37; of the late ones two in a row, so that both are queued."""
    damaged = (EVERY - 2, EVERY - 1) if fault is Fault.LATE else (EVERY - 1,)
    return [fault if index % EVERY in damaged else None for index in range(10 * READS)]


@pytest.mark.parametrize("late", [0.6, 1.1, 2.5])
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.UNPLUG])
async def test_not_one_wrong_value_and_good_ones_soon_again(
    fault: Fault, late: float, bench: Callable[..., Any]
) -> None:
    said: list[tuple[int, str, WireValue]] = []
    simulators = [StdBusSimulator(address, controller=Counting(address, said)) for address in (1, 2)]
    rig = bench(*simulators, script=script(fault), seed=3, late=late)
    ovens = [rig.controller(name=f"oven{one}", address=one, parameters=PARAMETERS) for one in (1, 2)]
    recovery = 2 * rig.client.timeout + (late if fault is Fault.LATE else 0.0)
    good, failed_at = 0, math.inf
    for index in range(READS // len(PARAMETERS)):
        oven, before = ovens[index % 2], len(said)
        for sample in await oven.poll():
            if sample.value is None:
                failed_at = min(failed_at, anyio.current_time())
                continue
            good += 1
            answered = [one for one in said[before:] if one[:2] == (sample.address, sample.parameter)]
            assert answered == [(sample.address, sample.parameter, sample.value)]
            assert min(failed_at, anyio.current_time()) + recovery >= anyio.current_time()
            failed_at = math.inf
    assert good >= READS * (1 - 4 / EVERY)
    assert good == READS or fault not in (Fault.GARBAGE, Fault.GLUE, Fault.SPLIT)


async def test_a_bus_that_fails_in_every_way_at_once_gives_no_wrong_value(bench: Callable[..., Any]) -> None:
    said: list[tuple[int, str, WireValue]] = []
    simulators = [StdBusSimulator(address, controller=Counting(address, said)) for address in (1, 2)]
    rates = {fault: 0.03 for fault in Fault if fault is not Fault.UNPLUG}
    rig = bench(*simulators, rates=rates, seed=11, late=0.7)
    ovens = [rig.controller(name=f"oven{one}", address=one, parameters=PARAMETERS) for one in (1, 2)]
    values = 0
    for index in range(300):
        before = len(said)
        for sample in await ovens[index % 2].poll():
            if sample.value is not None:
                values += 1
                assert (sample.address, sample.parameter, sample.value) in said[before:]
    assert values > 300
