"""A simulated instrument on a pseudo-terminal that responds at once, or sends by itself; prints the port name.

With a baud rate, a reply is held back until the line had carried it and its request.

Run by the benchmarks in a process of its own, so that its cost is not the client's.
"""

import json
import os
import sys
import time
import tty
from typing import Any

from riglog.manager import resolve_device
from riglog.plugin import installed
from riglog.simulation import Simulator

BITS_PER_CHARACTER = 10


def main() -> None:
    """Arguments: seconds between two unsolicited frames, baud rate (0: none), a table for each instrument."""
    pause, baudrate, *tables = sys.argv[1:]
    simulators = [_simulator(json.loads(table)) for table in tables]
    master, slave = os.openpty()
    tty.setraw(slave)
    print(os.ttyname(slave), flush=True)  # noqa: T201
    if simulators[0].next_due(0.0) is None:
        _respond(simulators, master, int(baudrate))
    else:
        _send_unsolicited(simulators[0], master, float(pause))


def _simulator(table: dict[str, Any]) -> Simulator:
    simulator = resolve_device(installed(), {"name": "device"} | table | {"port": "sim:line"}).simulator()
    simulator.idle(0.0)
    return simulator


def _respond(simulators: list[Simulator], master: int, baudrate: int) -> None:
    while True:
        data = os.read(master, 4096)
        received = time.monotonic()
        for simulator in simulators:
            if reply := simulator.receive(data, received):
                if baudrate:
                    on_line = BITS_PER_CHARACTER * (len(data) + len(reply)) / baudrate
                    time.sleep(max(0.0, received + on_line - time.monotonic()))
                os.write(master, reply)


def _send_unsolicited(simulator: Simulator, master: int, pause: float) -> None:
    """The clock of the simulator is always at its next frame."""
    now = 0.0
    while True:
        now = simulator.next_due(now) or now
        os.write(master, simulator.idle(now))
        if pause:
            time.sleep(pause)


main()
