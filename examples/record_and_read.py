"""Record two simulated instruments for two seconds, then read the recording. Needs no hardware."""

import sys

import anyio

import riglog


async def record(path: str) -> str:
    """Record an oven and a balance. Return the id of the run."""
    run = riglog.new_run("example")
    async with riglog.Manager() as rig:
        await rig.add("oven", "sim:oven", driver="watlow", temperature_unit="degC")
        await rig.add("balance", "sim:balance", driver="sartorius", protocol="xbpi", rate_hz=10.0)
        async with riglog.record(rig, rate_hz=2, duration=2) as active_run:
            await riglog.pipe(active_run, riglog.SqliteSink(path), run=run)
    return run.id


def mean_of_values(path: str, run: str) -> dict[str, float]:
    """Return the mean of every channel. A row without a value is excluded; it is not a zero."""
    values: dict[str, list[float]] = {}
    for row in riglog.read(path, run=run):
        if row.value is not None:
            values.setdefault(f"{row.device}.{row.parameter} [{row.unit}]", []).append(row.value)
    return {channel: sum(numbers) / len(numbers) for channel, numbers in values.items()}


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else "example.sqlite"
    for channel, mean in mean_of_values(path, anyio.run(record, path)).items():
        print(f"{channel}: {mean:.2f}")
