"""CPU time of the client per poll, over a pseudo-terminal; the instruments answer at once, from another process."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from riglog import Manager

READS = 2_000
ROUNDS = 5
CASES: list[tuple[str, dict[str, Any]]] = [
    ("watlow stdbus", {"driver": "watlow", "protocol": "stdbus", "parameters": ["setpoint"]}),
    ("watlow modbus-rtu", {"driver": "watlow", "protocol": "modbus-rtu", "parameters": ["setpoint"]}),
    ("sartorius xbpi", {"driver": "sartorius", "protocol": "xbpi"}),
    ("sartorius sbi", {"driver": "sartorius", "protocol": "sbi"}),
]


async def cost(case: dict[str, Any]) -> float:
    """Microseconds of CPU per poll of one channel."""
    command = [sys.executable, "-c", SERVE, json.dumps(case)]
    with subprocess.Popen(  # noqa: ASYNC220
        command, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            async with Manager() as rig:
                device = await rig.add("d", port, **case)
                return await measured(device.poll)
        finally:
            server.kill()


async def measured(poll: Callable[[], Awaitable[Any]]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(READS):
            await poll()
        rounds.append((time.process_time() - begun) / READS * 1e6)
    return statistics.median(rounds)


SERVE = """
import json, sys
import anyio
from riglog.manager import plan
from riglog.plugin import installed
from riglog.transport import Wire
from riglog.transport.serving import serve_pty

async def main():
    table = json.loads(sys.argv[1])
    made = plan(installed(), table | {"name": "d", "port": "sim:x"})
    simulator = made.driver.simulator(made.config)
    simulator.latency = 0.0
    async with serve_pty(Wire(simulator)) as server:
        print(server.path, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


def main() -> None:
    for name, case in CASES:
        for backend in ("asyncio", "trio"):
            print(f"{name:20} {backend:8} {anyio.run(cost, case, backend=backend):7.0f} us")  # noqa: T201


if __name__ == "__main__":
    main()
