"""How many transactions the proof of the values costs, for each wire and rate."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest

from riglog.model import Status
from riglog_watlow import WatlowConfig
from riglog_watlow.simulator import simulator

MakeBench = Callable[..., Any]

POLLS = 40
WITHOUT_PROOF = {"stdbus": 4, "pm": 4, "sd": 4, "f4p": 5}
"""Transactions of a poll of process value, set point and output power that reads error, unit and decimal places each
time, and never checks what was read at opening."""

SETTINGS: dict[str, dict[str, Any]] = {
    "stdbus": {"protocol": "stdbus"},
    "pm": {"protocol": "modbus-rtu"},
    "sd": {"protocol": "modbus-rtu", "family": "sd"},
    "f4p": {"protocol": "modbus-rtu", "family": "f4p"},
}


async def transactions_per_poll(rig: Any, settings: dict[str, Any], period: float) -> float:
    oven = rig.controller(**settings)
    await oven.open()
    for _ in range(3):
        await oven.poll()
        await anyio.sleep(period)
    before = rig.client.counters.requests
    for _ in range(POLLS):
        started = anyio.current_time()
        samples = await oven.poll()
        assert {sample.status for sample in samples} == {Status.OK}
        await anyio.sleep(period - (anyio.current_time() - started))
    return (rig.client.counters.requests - before) / POLLS  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("wire", "period", "most"),
    [
        ("pm", 0.1, 3.3),  # three blocks, and once a second word order and unit: the input is next to its value
        ("pm", 0.5, 3.75),
        ("pm", 1.0, 3.75),
        ("pm", 10.0, 4.0),
        ("sd", 0.1, 1.2),
        ("sd", 10.0, 2.0),
        ("f4p", 0.1, 2.3),
        ("f4p", 10.0, 4.0),
        ("stdbus", 0.1, 4.2),  # once a second the kind of the input, which was never read again before
        ("stdbus", 10.0, 5.0),
    ],
)
async def test_a_poll_costs_no_more_transactions_than_without_a_proof(
    wire: str, period: float, most: float, bench: MakeBench
) -> None:
    peer = simulator(WatlowConfig(name="x", driver="watlow", port="sim:", **SETTINGS[wire]))
    cost = await transactions_per_poll(bench(peer), SETTINGS[wire], period)
    assert cost <= most
    assert cost <= WITHOUT_PROOF[wire] + (1 if wire == "stdbus" else 0)
