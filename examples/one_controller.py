"""One controller: record its process value and set point for some seconds, and print them. Needs no hardware."""

import sys

import anyio

import riglog
from riglog_watlow import WatlowDriver


async def main(port: str, seconds: float) -> None:
    """Record the controller on a port into memory."""
    async with riglog.open_device(WatlowDriver(), port, protocol="stdbus", address=1) as oven:
        print(await oven.identify())
        sink = riglog.MemorySink()
        async with riglog.record(
            oven, rate_hz=2, duration=seconds, parameters=["process_value", "setpoint"]
        ) as recording:
            await riglog.pipe(recording, sink)
    for sample in sink.samples:
        print(sample.parameter, sample.value, sample.unit)


if __name__ == "__main__":
    anyio.run(main, "sim:oven", float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
