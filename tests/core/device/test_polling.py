"""One poll of several reads: which samples there are whatever fails, and whether the device responded."""

import pytest

from riglog.device import missing, poll_reads
from riglog.errors import DeviceRefusedError, ReplyTimeoutError
from riglog.model import Channel, Sample, Stamp
from riglog.testing import LoopClock

X, Y = (Channel(device="d", driver="drv", protocol="p", address=None, parameter=name, unit="V") for name in "xy")
TIMEOUT, REFUSED = ReplyTimeoutError("no reply within 1 s"), DeviceRefusedError("refused")
BUSY = ReplyTimeoutError("no request sent", reason="line_busy")

Read = tuple[Channel | None, Exception | None]
"""A read of one channel, or of conditions without a channel, and how it fails."""


async def polled(*reads: Read) -> list[tuple[str, bool | None]]:
    """Return the error and ``responded`` of each sample."""

    async def take(read: Read) -> list[Sample]:
        channel, error = read
        if error is not None:
            raise error
        return [] if channel is None else [Sample(channel=channel, stamp=Stamp(1, 1, 1), value=1.0, unit="V")]

    samples = await poll_reads(reads, lambda read: [read[0]] if read[0] else [], take, LoopClock())
    return [((sample.error or "").partition(":")[0].partition(" (")[0], sample.responded) for sample in samples]


NOT_READ = "not read"


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([(X, None), (Y, None)], [("", True), ("", True)]),
        ([(X, TIMEOUT), (Y, None)], [("no reply within 1 s", False), (NOT_READ, False)]),
        ([(X, REFUSED), (Y, None)], [("refused", True), ("", True)]),
        ([(X, BUSY), (Y, None)], [("no request sent", None), (NOT_READ, None)]),
        ([(None, TIMEOUT), (X, None), (Y, None)], [(NOT_READ, False), (NOT_READ, False)]),
        ([(None, BUSY), (X, None)], [(NOT_READ, None)]),
        ([(None, None), (X, TIMEOUT), (Y, None)], [("no reply within 1 s", True), (NOT_READ, True)]),
        ([(None, REFUSED), (X, TIMEOUT)], [("no reply within 1 s", True)]),
    ],
)
async def test_samples_say_whether_the_device_responded_also_to_reads_without_channels(
    reads: list[Read], expected: list[tuple[str, bool | None]]
) -> None:
    assert await polled(*reads) == expected


async def test_a_read_that_needed_no_request_is_not_a_response() -> None:
    async def take(read: Read) -> list[Sample]:
        channel, error = read
        if error is not None:
            raise error
        assert channel is not None
        return missing([channel], "not present (not requested again)", LoopClock(), responded=None)

    samples = await poll_reads([(X, None), (Y, TIMEOUT)], lambda read: [read[0]] if read[0] else [], take, LoopClock())
    assert [sample.responded for sample in samples] == [None, False]
