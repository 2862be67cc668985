"""No fault of the line becomes a wrong value."""

import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.simulation import Fault, Simulator
from riglog_watlow import Controller
from riglog_watlow.families import FACTS
from riglog_watlow.parameters import WireValue
from riglog_watlow.simulator import ControllerServer, ModbusSimulator, SimulatedPM, StdBusSimulator
from riglog_watlow.targets import Target

pytestmark = pytest.mark.slow

READS, EVERY = 200, 37
PARAMETERS = ("setpoint", "integral_time")


Sent = tuple[int, str, WireValue]
"""Address, parameter and value of one reply."""


class Counting(SimulatedPM):
    """Returns another number for every read of a float, so that a late or foreign value is detected.

    They rise slowly: a value that jumps is read again together with the settings, which is not what is tested here.
    """

    def __init__(self, address: int, sent: list[Sent]) -> None:
        super().__init__(address)
        self.address = address
        self.sent = sent

    def read(self, one: Target, now: float) -> WireValue:
        value = super().read(one, now)
        if one.parameter.name in PARAMETERS:
            value = 100.0 + len(self.sent) / 64
            self.sent.append((self.address, one.parameter.name, value))
        return value


def script(fault: Fault) -> list[Fault | None]:
    """Damage one reply in 37; of the late ones two in a row, so that both are queued."""
    damaged = (EVERY - 2, EVERY - 1) if fault is Fault.LATE else (EVERY - 1,)
    return [fault if index % EVERY in damaged else None for index in range(10 * READS)]


def peer(protocol: str, address: int, sent: list[Sent]) -> Simulator:
    controller = Counting(address, sent)
    if protocol == "stdbus":
        return StdBusSimulator(address, controller=controller)
    return ModbusSimulator(protocol, address, ControllerServer(controller, FACTS["pm"]))


async def two_ovens(rig: Any, protocol: str) -> list[Controller]:
    """Return two controllers, each with two parameters that are read in two transactions of the same length."""
    settings = {"protocol": protocol, "parameters": PARAMETERS}
    if protocol != "stdbus":
        settings["wire_temperature_unit"] = "degF"
    ovens = [rig.controller(name=f"oven{one}", address=one, **settings) for one in (1, 2)]
    for oven in ovens:
        await oven.open()
    return ovens


PROTOCOLS = ("stdbus", "modbus-rtu", "modbus-ascii", "modbus-tcp")


def faults_of(protocol: str) -> list[Fault]:
    """Return all faults of a line. TCP detects wrong bits itself, and Modbus adds no check of its own to it."""
    never = {Fault.UNPLUG, Fault.CORRUPT} if protocol == "modbus-tcp" else {Fault.UNPLUG}
    return [fault for fault in Fault if fault not in never]


@pytest.mark.parametrize(
    ("protocol", "fault", "late"),
    [
        (protocol, fault, late)
        for protocol in PROTOCOLS
        for fault in faults_of(protocol)
        for late in ((0.6, 0.74) if fault is Fault.LATE else (0.6,))
    ],
)
async def test_a_fault_gives_no_wrong_value_and_valid_values_soon_follow(
    protocol: str, fault: Fault, late: float, bench: Callable[..., Any]
) -> None:
    sent: list[Sent] = []
    rig = bench(*(peer(protocol, one, sent) for one in (1, 2)), script=script(fault), seed=3, late=late)
    ovens = await two_ovens(rig, protocol)
    good, failed_at = 0, math.inf
    for index in range(READS // len(PARAMETERS)):
        oven, before = ovens[index % 2], len(sent)
        for sample in await oven.poll():
            if sample.value is None:
                failed_at = anyio.current_time()
                continue
            good += 1
            replies = [one for one in sent[before:] if one[:2] == (sample.address, sample.parameter)]
            assert replies[-1] == (sample.address, sample.parameter, sample.value)
            assert anyio.current_time() - failed_at <= 2 * rig.client.timeout
            failed_at = math.inf
    # over Modbus, once a second a reply is that of the settings, without which neither value is proven
    assert good >= READS * (1 - (4 if protocol == "stdbus" else 5) / EVERY)
    assert good == READS or fault not in (Fault.GARBAGE, Fault.SPLIT)
