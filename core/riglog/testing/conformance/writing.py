"""Checks of writing: confirmed, within limits, sent once, read back, reported."""

from contextlib import suppress

import pytest

from riglog.device import Device
from riglog.errors import ConfirmationError, RiglogError
from riglog.model import EventKind
from riglog.testing.conformance.reading import NO_PARAMETER, ReadingChecks

SOME = 4
"""Parameters of `settable` that are tried."""
NO_VALUE = "no such value"


class WritingChecks(ReadingChecks):
    async def test_nothing_is_written_without_confirmation(self) -> None:
        """Without `confirm=True` a ConfirmationError is raised before a byte is sent."""
        async with self.bench() as bench:
            names = self.writable(bench.device, bench.specs[0].config)
            before = list(bench.wire.requests)
            for name in names:
                with pytest.raises(ConfirmationError):
                    await bench.device.set_parameter(name, self.writes.get(name, "1"), confirm=False)
            assert bench.wire.requests == before

    async def test_an_unknown_parameter_cannot_be_written(self) -> None:
        """A parameter that does not exist is refused with a RiglogError, and nothing is sent."""
        async with self.bench() as bench:
            bench_requests = len(bench.wire.requests)
            with pytest.raises(RiglogError):
                await bench.device.set_parameter(NO_PARAMETER, "1", confirm=True)
            assert len(bench.wire.requests) == bench_requests
            assert NO_PARAMETER not in (self.driver.settable(bench.specs[0].config) or ())

    async def test_what_can_be_set_is_what_the_driver_states(self) -> None:
        """`settable` lists what `set_parameter` accepts: `riglog set` refuses other names before it opens the port."""
        async with self.bench() as bench:
            settable = self.driver.settable(bench.specs[0].config)
            if settable is None:
                pytest.skip("settable() returns None: it is not known")
            assert [name for name in self.writes if name not in settable] == []
            if not settable:
                with pytest.raises(RiglogError):
                    await bench.device.set_parameter(bench.device.channels[0].parameter, "1", confirm=True)

    async def test_an_invalid_value_is_not_written(self) -> None:
        """A text that is no value of the parameter is refused before a request that changes the instrument."""
        self.need_writes()
        async with self.bench() as bench:
            bench.watch()
            for name in self.writes:
                with pytest.raises(RiglogError):
                    await bench.device.set_parameter(name, NO_VALUE, confirm=True)
            assert bench.changes.changes == []

    async def test_a_confirmed_write_is_sent_once_and_read_back(self) -> None:
        """A write is one request on the wire that is not repeatable; the value is read back from the instrument."""
        self.need_writes()
        async with self.bench() as bench:
            bench.watch()
            for name, value in self.writes.items():
                done = len(bench.changes.changes)
                sample = await bench.device.set_parameter(name, value, confirm=True)
                sent = bench.changes.changes[done:]
                assert sent, f"{name}: no request is a change; a request that changes the instrument is not repeatable"
                assert len(sent) == len({*sent}), f"{name}: a change was sent twice: {sent}"
                back = None if sample is None else sample.text or sample.value
                assert back is None or same(value, back), f"{name}: {back} is read back"

    async def test_a_write_is_reported(self) -> None:
        """Every change of an instrument is an event of the recording: `wrote(…)` names the parameter and the value."""
        self.need_writes()
        async with self.bench() as bench:
            for name, value in self.writes.items():
                await bench.device.set_parameter(name, value, confirm=True)
                assert [event for event in bench.events_of(EventKind.WRITE) if name in event.message], name

    async def test_a_write_without_a_reply_is_never_repeated(self) -> None:
        """If the reply to a write is lost, the request was sent once; success is claimed only if it is read back.

        The instrument may have executed it. A second one could start a second movement, dose or calibration.
        """
        self.need_writes()
        for name, value in self.writes.items():
            async with self.bench() as bench:
                bench.watch()
                bench.wire.loses_reply = lambda frame, log=bench.changes: log.frames.get(frame, False)  # type: ignore[misc]
                back: object = None
                with suppress(RiglogError):
                    sample = await bench.device.set_parameter(name, value, confirm=True)
                    assert sample is not None, f"{name}: success is claimed, and nothing was read back"
                    back = sample.text or sample.value
                sent = bench.changes.changes
                assert len(sent) == len({*sent}), f"{name}: a change was sent twice: {sent}"
                assert back is None or same(value, back), f"{name}: {back} is read back"

    def need_writes(self) -> None:
        if not self.writes:
            pytest.skip("no parameter to write is named: set `writes`")

    def writable(self, device: Device, config: object) -> list[str]:
        """Return some parameters that can be written; skip the check if there is none."""
        names = [*self.writes, *(self.driver.settable(config) or ())]
        if not names:
            pytest.skip("nothing can be written")
        return list(dict.fromkeys(names))[:SOME]


def same(typed: str, back: object) -> bool:
    """Return True if a value that was read back is what a user typed."""
    try:
        return abs(float(typed) - float(str(back))) <= 1e-3 * max(1.0, abs(float(typed)))
    except ValueError:
        return typed.strip().lower() == str(back).strip().lower()
