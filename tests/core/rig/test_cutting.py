"""A small recording for a bug report: it decodes, and has no names and no serial numbers."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner
from simulated_rigs import device, recorded

from riglog.cli.app import cli
from riglog.errors import ConfigError, StorageError
from riglog.recordings import read, verify
from riglog.rig.cutting import cut, encodings, neutral, neutral_port, serial_numbers
from riglog.rig.redecoding import redecode
from riglog.sinks.sqlite.wires import read_wires
from riglog.testing import assert_decodes, virtual_backend

SECRET = "Annas"
PARAMETERS = {
    "watlow stdbus": "process_value",
    "watlow modbus-rtu": "process_value",
    "watlow modbus-tcp": "process_value",
    "sartorius xbpi": "net",
    "sartorius sbi": "net",
    "servomex modbus-ascii": "i1",
    "servomex continuous": "i1",
    "modbus": "voltage_l1",
    "ascii": "weight",
}


async def recorded_annas(folder: Path, protocol: str) -> Path:
    tables = device(protocol, "Annas-device", "Annas-port") + device("watlow stdbus", "Other", "Annas-other")
    tables += '[[derived]]\nname = "Annas_double"\nformula = "2 * Other.process_value"\n'
    path = await recorded(folder, tables, seconds=30, run="Annas-run")
    return path.rename(folder / "Annas.sqlite")


@pytest.mark.parametrize("protocol", PARAMETERS)
async def test_a_cut_decodes_and_names_nobody(protocol: str, tmp_path: Path) -> None:
    parameter = PARAMETERS[protocol]
    path, out = await recorded_annas(tmp_path, protocol), tmp_path / "cut.sqlite"
    rows = [row for row in read(path, device="Annas-device", parameter=parameter) if row.value is not None]
    row = rows[len(rows) // 2]
    found = await cut(path, f"Annas-device.{parameter}@{row.received_at}", out, seconds=3)
    assert found.left == 0
    assert 0 < found.rows < len(list(read(path))) // 3
    assert verify(out).complete
    decoded = await redecode(out)
    assert (decoded.problems, decoded.different) == ([], 0)
    assert decoded.rows - decoded.not_decoded >= found.rows // 2
    assert (row.value, row.unit) in {(each.value, each.unit) for each in read(out)}
    content = out.read_bytes()
    assert SECRET.encode() not in content
    with closing(sqlite3.connect(path)) as database, closing(sqlite3.connect(out)) as other:
        kept = b"".join(each.reply for each in read_wires(other, 1, "sim:port-1"))
        for (message,) in database.execute(
            "SELECT message FROM event WHERE device = 'Annas-device' AND kind LIKE 'identity%'"
        ):
            for serial in serial_numbers(message.partition("identity: ")[2]):
                assert not any(old in kept or old in content for old, _ in encodings(serial, serial))
        assert len(list(other.iterdump())) < len(list(database.iterdump()))
    assert out.stat().st_size < 200_000


async def test_what_cannot_be_cut_is_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path, out = await recorded_annas(tmp_path, "watlow stdbus"), tmp_path / "cut.sqlite"
    with pytest.raises(ConfigError, match="were not kept"):
        await cut(path, "derived.Annas_double@last", out)
    with pytest.raises(ConfigError, match="no channel"):
        await cut(path, "nobody.nothing@last", out)
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(StorageError, match="file exists"):
        await cut(path, "Annas-device.process_value@last", out)
    assert out.read_text() == "mine"
    assert not list(tmp_path.glob(".cut*"))


async def test_a_serial_number_that_cannot_be_replaced_is_counted(tmp_path: Path) -> None:
    path, out = await recorded_annas(tmp_path, "sartorius xbpi"), tmp_path / "cut.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE device SET driver = 'not-here'")
        database.commit()
    found = await cut(path, "Annas-device.net@last", out, seconds=1)
    assert found.left == 1


def test_serial_numbers_are_found_in_identities_and_replaced_by_their_shape() -> None:
    assert serial_numbers("0031801165") == ["0031801165"]
    assert serial_numbers("SIM3-0") == ["SIM3-0"]
    assert serial_numbers("4000-series I1 I2 I3") == []
    assert serial_numbers("PM6C1 123457") == ["123457"]
    assert serial_numbers("") == []
    assert neutral("Ab12-9") == "Xx11-1"
    assert [neutral_port(port) for port in ("/dev/ttyUSB0", "COM3", "tcp://lab:4001", "usb:A7", "sim:x")] == [
        "/dev/port-1",
        "/dev/port-1",
        "tcp://host-1:1",
        "usb:port-1",
        "sim:port-1",
    ]


def test_the_command_and_the_helper_for_tests(tmp_path: Path) -> None:
    name, options = virtual_backend("asyncio")
    with pytest.MonkeyPatch.context():
        path = anyio.run(recorded_annas, tmp_path, "watlow stdbus", backend=name, backend_options=options)
    out = tmp_path / "cut.sqlite"
    arguments = ["cut", str(path), "--around", "Annas-device.process_value@last", "--out", str(out), "--json"]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert (done.exit_code, json.loads(done.stdout)["left"]) == (0, 0)
    assert assert_decodes(out).rows > 5
    with closing(sqlite3.connect(out)) as database:
        database.execute("UPDATE reading SET value = value + 1")
        database.commit()
    with pytest.raises(AssertionError, match=r"device-1.process_value\[1\]"):
        assert_decodes(out)
