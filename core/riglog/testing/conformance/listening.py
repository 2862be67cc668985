"""Checks of the frame reader: a line that is only listened to gives what its master has read, and nothing else."""

import anyio
import pytest
from msgspec import structs

from riglog.device import Pace
from riglog.device.frame_reader import FrameKind
from riglog.device.tap import Tapped
from riglog.errors import RiglogError
from riglog.manager import DeviceSpec
from riglog.manager.simulated_master import OverheardLine
from riglog.manager.tap_source import TapSource
from riglog.model import Sample, Status
from riglog.plugin import Driver
from riglog.protocol import Connection
from riglog.simulation import SimulatedPeer, SimulatedTransport
from riglog.testing.conformance.bench import Bench
from riglog.testing.conformance.faults import FAULTS
from riglog.testing.conformance.subject import Subject
from riglog.testing.virtual_time import LoopClock
from riglog.transport import Link, Transport

POLLS, POLLS_WITH_FAULTS = 20, 60
PAUSE_SECONDS = 0.7
RATE = 0.05


class ListeningChecks(Subject):
    async def test_a_listener_records_what_the_master_reads(self) -> None:
        """On a healthy line every frame is known, and values are recorded: those that the master has read.

        A driver without `frame_reader` is not checked. A reader that records nothing is of no use to `riglog tap`.
        """
        bench = self.listening_bench()
        read, tapped = await listen(bench.specs[0], bench.wire, POLLS)
        damaged = [one.frame.raw for one in tapped if one.frame.kind is FrameKind.DAMAGED]
        assert damaged == [], "frames of a healthy line are not known"
        recorded = [sample for one in tapped for sample in one.samples]
        assert recorded, f"no value is recorded: {sorted({one.why_not for one in tapped if one.why_not})}"
        if self.driver.pace(bench.specs[0].config) is not Pace.DEVICE:  # then the master takes them from the line late
            assert bench.wrong([_as_device(sample, bench) for sample in recorded]) == []
        heard: dict[tuple[str, int], set[object]] = {}
        for sample in recorded:
            heard.setdefault(_name(sample), set()).add(sample.value)
        last = {_name(sample): sample for sample in read if sample.value is not None}
        missed = [one for name, one in last.items() if name in heard and one.value not in heard[name]]
        assert [f"{one.channel}: {one.value!r}" for one in missed] == [], "the master has read these values"

    async def test_a_listener_to_a_faulty_line_records_no_wrong_value(self) -> None:
        """A reply whose request was lost, damaged or is not the one directly before it is shown, and not recorded."""
        bench = self.listening_bench()
        if not bench.truthful:
            pytest.skip("the simulator does not know the truth")
        if self.driver.pace(bench.specs[0].config) is Pace.DEVICE:
            pytest.skip("the device sets the pace: a line that is late is not told from one that is repeated")
        bench.wire.set_rates({fault: RATE for fault in FAULTS if fault not in self.undetectable})
        _, tapped = await listen(bench.specs[0], bench.wire, POLLS_WITH_FAULTS)
        assert bench.wrong([_as_device(sample, bench) for one in tapped for sample in one.samples]) == []

    def listening_bench(self) -> Bench:
        """Return a bench; skip the check if its line cannot be listened to."""
        driver = self.port_driver()
        bench = self.bench()
        spec = bench.specs[0]
        reader = driver.frame_reader(spec.config, spec.context(LoopClock()))
        if reader is None:
            pytest.skip("the driver has no frame_reader()")
        if not reader.can_listen:
            pytest.skip("a connection of one client cannot be listened to")
        return bench


async def listen(spec: DeviceSpec, wire: SimulatedPeer, polls: int) -> tuple[list[Sample], list[Tapped]]:
    """Return what a master reads from the instruments on a wire, and the frames that a tap on its line sees."""
    clock = LoopClock()
    line = OverheardLine(wire)

    async def overheard(port: str, link: Link) -> Transport:
        transport = SimulatedTransport(line)
        line.on_output = transport._wake
        return transport

    tapped: list[Tapped] = []
    tap = TapSource(spec, clock=clock, open_port=overheard)
    tap.on_frame = tapped.append
    await tap.open()
    assert spec.port is not None
    assert isinstance(spec.driver, Driver)
    client = spec.port.factory(Connection(SimulatedTransport(line.master), spec.port.link, clock))
    device = spec.driver.device(spec.config, client, spec.context(clock))
    read: list[Sample] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tap.run)
        opened = False
        for _ in range(polls):
            try:
                if not opened:
                    await device.open()
                    opened = True
                read += await device.poll()
            except RiglogError:
                pass
            await anyio.sleep(PAUSE_SECONDS)
        tasks.cancel_scope.cancel()
    return read, tapped


def _name(sample: Sample) -> tuple[str, int]:
    return sample.parameter, sample.channel.instance


def _as_device(sample: Sample, bench: Bench) -> Sample:
    """Return a sample of the line as one of the device: the listener adds the address to its name.

    A value whose unit or sensor was not checked must be what the instrument sent nevertheless.
    """
    status = Status.OK if "unchecked" in sample.flags and sample.value is not None else sample.status
    channel = structs.replace(sample.channel, device=bench.specs[0].name)
    return structs.replace(sample, channel=channel, status=status)
