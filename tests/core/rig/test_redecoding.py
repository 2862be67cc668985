"""The kept bytes of a recording give the same rows with today's decoders; a decoder that changed is found."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from simulated_rigs import device, devices, recorded, write_rig

from riglog.cli.app import cli
from riglog.config import load_rig
from riglog.manager.simulated_port import SimulatedPort
from riglog.protocol.failures import SECOND_REPLY, ambiguous
from riglog.protocol.modbus.codec import ModbusCodec
from riglog.recordings import read
from riglog.rig import record_rig
from riglog.rig.redecoding import redecode
from riglog.simulation import Fault
from riglog.testing import LoopClock
from riglog_sartorius.xbpi.codec import XbpiCodec
from riglog_watlow.stdbus import message
from riglog_watlow.stdbus.codec import StdBusCodec

DEVICES = devices(
    oven="watlow stdbus",
    dryer="watlow modbus-rtu",
    scale="sartorius xbpi",
    stack="servomex modbus-rtu",
    glovebox="servomex continuous",
    energy="modbus",
)


async def test_the_same_decoders_give_the_same_rows(tmp_path: Path) -> None:
    path = await recorded(tmp_path, DEVICES, seconds=8)
    before = path.read_bytes()
    found = await redecode(path)
    assert found.problems == []
    assert found.differences == []
    assert found.different == 0
    assert found.rows == sum(row.value is not None or row.text is not None for row in read(path))
    assert found.not_decoded <= found.rows // 20
    assert path.read_bytes() == before


def scaled(original: Callable[..., Any]) -> Callable[..., Any]:
    """A decoder of values that is wrong by a thousandth."""

    def decode(data: bytes) -> Any:
        tag, value = original(data)
        return tag, value * 1.001 if isinstance(value, float) else value

    return decode


def refusing(original: Callable[..., Any]) -> Callable[..., Any]:
    """A codec that does not find replies any more."""
    return lambda *_arguments, **_named: None


def swapped(original: Callable[..., Any]) -> Callable[..., Any]:
    """A codec that exchanges the last two bytes of the data."""

    def decode(self: Any, request: Any, buffer: bytearray, *, final: bool = False) -> Any:
        found = original(self, request, buffer, final=final)
        return found if found is None or len(found) < 6 else found[:-2] + found[:-3:-1]

    return decode


FAULTS = {
    "a value of Watlow Standard Bus": (message, "decode_value", scaled, "oven"),
    "no reply of Watlow Standard Bus": (StdBusCodec, "decode", refusing, "oven"),
    "no reply of xBPI": (XbpiCodec, "decode", refusing, "scale"),
    "no reply of Modbus": (ModbusCodec, "decode", refusing, "energy"),
    "the bytes of Modbus": (ModbusCodec, "decode", swapped, "energy"),
}


@pytest.mark.parametrize("what", FAULTS)
async def test_a_decoder_fault_is_found(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await recorded(tmp_path, DEVICES, seconds=8)
    owner, name, fault, device = FAULTS[what]
    monkeypatch.setattr(owner, name, fault(getattr(owner, name)))
    found = await redecode(path)
    problems = [problem for problem in found.problems if problem.startswith(device)]
    assert problems or any(each.device == device for each in found.differences)
    assert not any(each.device == "glovebox" for each in found.differences)  # of another protocol


@pytest.mark.real_time
def test_the_command_shows_what_is_different(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text('[run]\nrate_hz = 5\n[[device]]\nname = "oven"\ndriver = "watlow"\nport = "sim:oven"\n')
    path = tmp_path / "run.sqlite"
    arguments = ["record", str(rig), "--duration", "2s", "--out", str(path)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    same = CliRunner().invoke(cli, ["redecode", str(path)], catch_exceptions=False)
    assert ", 0 different today" in same.stdout
    monkeypatch.setattr(message, "decode_value", scaled(message.decode_value))
    other = CliRunner().invoke(cli, ["redecode", str(path)], catch_exceptions=False)
    assert "oven" in other.stdout
    assert ", 0 different today" not in other.stdout


async def test_lines_with_faults_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Late, lost, cut off, damaged, repeated, foreign replies; benchmarks/redecode_faults.py has many more of them."""
    connect = SimulatedPort.connect

    def faulty(port: SimulatedPort, *arguments: Any) -> None:
        connect(port, *arguments)
        kinds = Fault.LATE, Fault.DROP, Fault.TRUNCATE, Fault.CORRUPT, Fault.GLUE, Fault.GARBAGE, Fault.FOREIGN
        port._wire.set_rates(dict.fromkeys(kinds, 0.02))
        port._wire._random.seed(18)

    monkeypatch.setattr(SimulatedPort, "connect", faulty)
    rig, path = write_rig(tmp_path, DEVICES, seconds=60)
    await record_rig(load_rig(rig), wait=True, clock=LoopClock())
    statuses = {row.status for row in read(path)}
    assert statuses >= {"ok", "missing"}
    found = await redecode(path)
    assert (found.differences, found.problems) == ([], [])
    assert found.rows > 1000


async def test_a_reply_that_was_ambiguous_then_is_no_value_today(tmp_path: Path) -> None:
    path = await recorded(tmp_path, DEVICES, seconds=8)
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "INSERT INTO annotation SELECT 999, NULL, 'degC', 'missing', '', ?",
            (str(ambiguous(SECOND_REPLY).message),),
        )
        oven = "SELECT channel.id FROM channel JOIN series ON series.id = series_id WHERE device = 'oven'"
        database.execute(f"UPDATE reading SET value = NULL, annotation_id = 999 WHERE channel_id IN ({oven})")
        database.commit()
    assert (await redecode(path)).different == 0


async def test_a_device_that_was_absent_in_the_whole_run_is_no_problem(tmp_path: Path) -> None:
    absent = device("watlow stdbus", "gone").replace("sim:gone", "/dev/riglog-no-such-port")
    path = await recorded(tmp_path, devices(oven="watlow stdbus") + absent, seconds=3)
    assert {row.status for row in read(path, device="gone")} == {"skipped"}
    found = await redecode(path)
    assert (found.problems, found.not_decoded, found.different) == ([], 0, 0)
    assert found.rows > 0


async def test_a_device_with_values_and_without_bytes_is_a_problem(tmp_path: Path) -> None:
    path = await recorded(tmp_path, devices(oven="watlow stdbus"), seconds=3)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM wire")
        database.commit()
    found = await redecode(path)
    assert found.not_decoded > 0
    assert "oven" in found.problems[0]
