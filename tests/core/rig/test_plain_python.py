"""What a program without a rig file needs: a device or a rig in one line, and a recording into a file by its name."""

from pathlib import Path
from typing import Any

import pytest
from toy import Metronome, Toy, ToyDriver

import riglog
from riglog.errors import ConfigError, StorageError
from riglog.manager import Manager
from riglog.model import ErrorPolicy
from riglog.plugin import Registry
from riglog.testing import LoopClock
from riglog.transport import Link


async def test_a_device_is_open_within_the_block_and_named_like_its_driver(toy: ToyDriver) -> None:
    async with riglog.open_device(toy, "sim:bus", address=3) as device:
        assert isinstance(device, Toy)
        (level, _) = await device.poll()
        assert (level.device, level.address, level.value) == ("toy", 3, 3.0)
        transport = device.client.transport
    with pytest.raises(riglog.PortError):
        await transport.receive()


async def test_a_name_for_the_device(toy: ToyDriver) -> None:
    async with riglog.open_device(toy, port="sim:bus", name="tank") as device:
        assert {sample.device for sample in await device.poll()} == {"tank"}


async def test_a_driver_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(riglog.ConfigError, match="unknown driver 'watlov'") as raised:
        async with riglog.open_device("watlov", "sim:a"):
            pass
    assert raised.value.hint
    assert isinstance(raised.value, ValueError)


async def test_a_rig_is_open_within_the_block(tmp_path: Path, registry: Registry) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        '[[device]]\nname = "one"\ndriver = "toy"\nport = "sim:bus"\n'
        '[[device]]\nname = "two"\ndriver = "toy"\nport = "sim:bus"\naddress = 2\n'
    )
    async with riglog.open_rig(rig, registry=registry, clock=LoopClock(), error_policy=ErrorPolicy.RETURN) as manager:
        assert manager.names == ["one", "two"]
        assert len(await manager.poll()) == 4
    assert manager.closed
    assert list(tmp_path.iterdir()) == [rig]  # nothing is recorded


@pytest.mark.parametrize("ending", ["sqlite", "csv", "jsonl", "SQLITE"])
async def test_a_recording_into_a_file_by_its_name(tmp_path: Path, ending: str) -> None:
    async with riglog.record(Metronome(), rate_hz=10, duration=1, clock=LoopClock()) as run:
        (result,) = await riglog.pipe(run, tmp_path / f"run.{ending}", clock=LoopClock())
    assert result.written == 10
    assert [row.value for row in riglog.read(tmp_path / f"run.{ending}")] == list(range(1, 11))


async def test_an_ending_without_a_format_is_refused_and_nothing_is_created(tmp_path: Path) -> None:
    async with riglog.record(Metronome(), rate_hz=10, duration=1, clock=LoopClock()) as run:
        with pytest.raises(ConfigError, match=r"unknown ending '\.xls'"):
            await riglog.pipe(run, tmp_path / "run.sqlite", tmp_path / "run.xls")
    assert list(tmp_path.iterdir()) == []


async def test_a_sink_in_a_block_is_checked_at_its_start(tmp_path: Path) -> None:
    async with (
        riglog.CsvSink(tmp_path / "run.csv") as sink,
        riglog.record(Metronome(), rate_hz=10, duration=1, clock=LoopClock()) as run,
    ):
        await riglog.pipe(run, sink, clock=LoopClock())
    assert len(list(riglog.read(tmp_path / "run.csv"))) == 10
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError):
        async with riglog.SqliteSink(tmp_path / "notes.txt"):
            pass


async def test_the_summary_has_the_names_of_other_libraries() -> None:
    async with riglog.record(Metronome(seconds=0.25), rate_hz=10, duration=2, clock=LoopClock()) as run:
        samples = [sample async for batch in run for sample in batch]
    summary = run.summary
    assert (summary.samples_emitted, summary.samples_late) == (8, 12)
    assert summary.disconnects == 0
    assert summary.max_drift_ms >= 0
    assert summary.finished_at is not None
    assert (summary.finished_at - summary.started_at).total_seconds() == pytest.approx(2.25, abs=0.3)
    sample = next(sample for sample in samples if sample.value is not None)
    assert sample.requested_at is not None
    assert sample.requested_at <= sample.midpoint_at <= sample.received_at
    assert sample.latency_s == 0.001
    assert sample.monotonic_ns == sample.stamp.monotonic_ns
    assert sample.parameter_id is None


class Settings:
    """Serial settings of another library."""

    baudrate = 19200
    parity = "E"


@pytest.mark.parametrize(
    "settings", [Settings(), {"baudrate": 19200, "parity": "E"}, Link(protocol="x", baudrate=19200, parity="E")]
)
async def test_serial_settings_may_be_one_argument(toy: ToyDriver, settings: Any) -> None:
    async with Manager(clock=LoopClock()) as manager:
        device = await manager.add("one", "sim:bus", driver=toy, serial_settings=settings)
        link = manager.port("sim:bus").link
        assert (device.name, link.baudrate, link.parity) == ("one", 19200, "E")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"serial_settings": {"speed": 1}}, "serial_settings: unknown key 'speed'"),
        ({"serial_settings": 9600}, "serial_settings: int has no serial settings"),
        ({"serial_settings": {"baudrate": 9600}, "baudrate": 9600}, "baudrate: in serial_settings and as an argument"),
        ({"speed": 9600}, r"device\.speed: unknown key"),
    ],
)
async def test_wrong_arguments_are_value_errors(toy: ToyDriver, options: dict[str, Any], message: str) -> None:
    async with Manager() as manager:
        with pytest.raises(ValueError, match=message):
            await manager.add("one", "sim:bus", driver=toy, **options)
        assert manager.names == []


def test_results_of_an_operation_say_which_protocol_gave_them() -> None:
    good = riglog.DeviceResult.success("oven", 20.0, protocol="stdbus")
    bad: riglog.DeviceResult[float] = riglog.DeviceResult.failure("oven", ConfigError("no"), protocol="stdbus")
    assert (good.ok, good.value, good.protocol) == (True, 20.0, "stdbus")
    assert (bad.ok, bad.value, bad.protocol) == (False, None, "stdbus")
