"""A Watlow controller on one port, two Alicat instruments on another, into one SQLite file. Needs no hardware.

Real ports are arguments: python mixed_watlow_alicat.py mixed.sqlite 60 /dev/ttyUSB0 /dev/ttyUSB1
"""

import sys

import anyio

import riglog


async def main(path: str, seconds: float, oven_port: str, gas_port: str) -> None:
    """Record all three at two rates, then print the mean of every channel."""
    run = riglog.new_run("mixed")
    async with riglog.Manager() as rig:
        await rig.add("oven", oven_port, driver="watlow", address=1, parameters=["process_value", "setpoint"])
        await rig.add("argon", gas_port, driver="alicat", address="A", rate_hz=10.0)
        await rig.add("nitrogen", gas_port, driver="alicat", address="B", rate_hz=10.0)
        async with riglog.record(rig, rate_hz=2, duration=seconds) as recording:
            await riglog.pipe(recording, riglog.SqliteSink(path), run=run)
    for channel, numbers in values(path, run.id).items():
        print(f"{channel}: {sum(numbers) / len(numbers):.2f} ({len(numbers)} values)")


def values(path: str, run: str) -> dict[str, list[float]]:
    """Return the values of every channel with a number. A row without a value is left out; it is not a zero."""
    found: dict[str, list[float]] = {}
    for row in riglog.read(path, run=run):
        if row.value is not None:
            found.setdefault(f"{row.device}.{row.parameter} [{row.unit}]", []).append(row.value)
    return found


if __name__ == "__main__":
    usual = ["mixed.sqlite", "10", "sim:oven", "sim:gas"]
    path, seconds, oven_port, gas_port = [*sys.argv[1:], *usual[len(sys.argv) - 1 :]]
    anyio.run(main, path, float(seconds), oven_port, gas_port)
