"""Process values of a Watlow controller in a recording: values a second on a line at 38400 baud, and CPU a value.

The far end holds each reply back for the time that the line needs; the controller itself thinks for no time. The
inter-frame gap is kept, as on a real line. The CPU is measured at a fixed rate, without line time and gap: schedule,
proof, recorder and an in-memory sink included.
"""

import time
from collections.abc import Iterator
from typing import Any

import anyio
from figure import Extent, Figure
from measuring import instrument, pin

from riglog import Manager, MemorySink, new_run, pipe, record
from riglog.acquire import AcquisitionSummary

BAUDRATE = 38400
LINE_SECONDS, CPU_SECONDS, CPU_RATE_HZ = 5.0, 5.0, 50.0
PROTOCOLS = ("stdbus", "modbus-rtu")
LINE_MILLISECONDS = {"stdbus": 37 * 10e3 / 38400, "modbus-rtu": 17 * 10e3 / 38400}
"""What the characters of one request and its reply take: 37 and 17 of them, ten bits each."""


async def recorded(
    protocol: str, port: str, *, rate_hz: float, seconds: float, gap: bool
) -> tuple[AcquisitionSummary, dict[str, int], float]:
    """Return what the recording did, its rows by status, and the CPU seconds it took."""
    settings: dict[str, Any] = {"driver": "watlow", "protocol": protocol, "parameters": ["process_value"]}
    sink = MemorySink()
    async with Manager() as rig:
        await rig.add("oven", port, baudrate=BAUDRATE, **settings)
        client: Any = rig.get("oven").client  # type: ignore[attr-defined]
        if gap:
            client.widen_gap(client.codec.inter_frame_gap)
        run = new_run("line")
        begun = time.process_time()
        async with record(rig, rate_hz=rate_hz, duration=seconds) as recording:
            await pipe(recording, sink, run=run)
        cpu = time.process_time() - begun
    statuses: dict[str, int] = {}
    for row in sink.rows:
        statuses[row.status] = statuses.get(row.status, 0) + 1
    return recording.summary, statuses, cpu


def figures(extent: Extent) -> Iterator[Figure]:
    pin()
    for protocol in PROTOCOLS if extent.long else ():  # elapsed time: on a busy machine it says little
        with instrument({"driver": "watlow", "protocol": protocol}, baudrate=BAUDRATE) as port:
            _, rows, _ = anyio.run(lambda: recorded(protocol, port, rate_hz=400.0, seconds=LINE_SECONDS, gap=True))  # noqa: B023
        milliseconds = 1e3 * LINE_SECONDS / rows["ok"]
        note = f"{1e3 / milliseconds:.0f} values a second"
        yield Figure(
            f"{protocol} at {BAUDRATE} baud",
            milliseconds,
            "ms a value",
            LINE_MILLISECONDS[protocol],
            "37 or 17 characters of 10 bits",
            note,
        )


def main() -> None:
    pin()
    for protocol in PROTOCOLS:
        table = {"driver": "watlow", "protocol": protocol}
        with instrument(table, baudrate=BAUDRATE) as port:
            args = {"rate_hz": 400.0, "seconds": LINE_SECONDS, "gap": True}
            _, rows, _ = anyio.run(lambda: recorded(protocol, port, **args))  # noqa: B023
        values = rows.get("ok", 0) / LINE_SECONDS
        others = {status: number for status, number in rows.items() if status not in ("ok", "skipped")}
        print(f"{protocol:10} {values:5.1f} values/s at {BAUDRATE} baud, other rows {others or 'none'}")  # noqa: T201
        with instrument(table) as port:
            args = {"rate_hz": CPU_RATE_HZ, "seconds": CPU_SECONDS, "gap": False}
            summary, rows, cpu = anyio.run(lambda: recorded(protocol, port, **args))  # noqa: B023
        polled = summary.slots_polled
        print(f"{protocol:10} {cpu / polled * 1e6:5.0f} us CPU a value, {polled} polls, rows {rows}")  # noqa: T201


if __name__ == "__main__":
    main()
