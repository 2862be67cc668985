"""A recording that was made with a faulty decoder is corrected: row by row as a recording without the fault."""

import functools
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from simulated_rigs import devices, recorded
from tampering import changed

import riglog_servomex.continuous.frames
import riglog_servomex.samples
from riglog.cli.app import cli
from riglog.errors import ConfigError, MalformedReplyError, StorageError
from riglog.model import Status
from riglog.protocol.modbus.codec import ModbusCodec
from riglog.recordings import contents, read, read_events, verify
from riglog.recordings.resealing import seal_again
from riglog.rig.correcting import CORRECTED, Corrected, write_corrected
from riglog.sinks.rows import Row
from riglog.testing import virtual_backend
from riglog_ascii.lines import protocol as ascii_protocol
from riglog_modbus import samples as modbus_samples
from riglog_sartorius.samples import Reading
from riglog_sartorius.sbi import lines as sbi_lines
from riglog_sartorius.xbpi import measurement
from riglog_sartorius.xbpi.codec import XbpiCodec
from riglog_watlow import samples as watlow_samples
from riglog_watlow.stdbus import message

DEVICES = devices(
    oven="watlow stdbus",
    scale="sartorius xbpi",
    printer="sartorius sbi",
    stack="servomex modbus-rtu",
    glovebox="servomex continuous",
    energy="modbus",
    bath="ascii",
)
DERIVED = """
[[derived]]
name = "twice"
formula = "2 * oven.process_value"
[[derived]]
name = "steady"
formula = "mean(oven.process_value, 3) + derived.twice"
[[derived]]
name = "difference"
formula = "scale.net - printer.net"
"""


def virtual(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Run a coroutine in virtual time that begins at 0."""
    name, options = virtual_backend("asyncio")
    return anyio.run(functools.partial(call, **named), *arguments, backend=name, backend_options=options)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording by decoders without a fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("riglog.transport.serial._open_in_thread", _opened)
        return virtual(recorded, tmp_path_factory.mktemp("right") / "rig", DEVICES + DERIVED, seconds=12)


async def _opened(port: str, open_: Callable[[], Any], shown: str) -> Any:
    return open_()


def scaled(original: Callable[..., Any]) -> Callable[..., Any]:
    def number(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        return found * 2 if isinstance(found, float) else found

    return number


def second_scaled(original: Callable[..., Any]) -> Callable[..., Any]:
    """Of two results, the second one is a number that is wrong."""

    def numbers(*arguments: Any, **named: Any) -> Any:
        first, second = original(*arguments, **named)
        return first, second * 1.5 if isinstance(second, float) else second

    return numbers


def always(result: Any) -> Callable[..., Any]:
    return lambda _original: lambda *_arguments, **_named: result


def negative(original: Callable[..., Any]) -> Callable[..., Any]:
    """The sign of a line is lost."""
    return lambda raw, line_id, _sign, *rest, **named: original(raw, line_id, "-", *rest, **named)


def refusing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Each fifth valid reply is called malformed."""
    count = 0

    def decode(self: Any, request: Any, buffer: bytearray, *, final: bool = False) -> Any:
        nonlocal count
        found = original(self, request, buffer, final=final)
        count += found is not None
        if found is not None and count > 60 and not count % 5:
            raise MalformedReplyError("not what I know")
        return found

    return decode


def deaf(original: Callable[..., Any]) -> Callable[..., Any]:
    """Weights are not decoded any more; what is read when the device is opened is."""
    return lambda self, request, buffer, **named: (
        None if buffer[:1] == b"\x14" else original(self, request, buffer, **named)
    )


def other_unit(original: Callable[..., Any]) -> Callable[..., Any]:
    def convert(value: float, kind: Any, source: str | None, target: str | None) -> float:
        return original(value, kind, source, target) * 1.8 + 32

    return convert


FAULTS: dict[str, tuple[Any, str, Callable[..., Any], str]] = {
    "a value of Watlow Standard Bus": (message, "decode_value", second_scaled, "oven"),
    "a temperature in degrees Fahrenheit": (watlow_samples, "convert", other_unit, "oven"),
    "the status of a weight": (measurement, "_status_and_reason", always((Status.FAULT, "broken")), "scale"),
    "the sign of a printed weight": (sbi_lines, "_weight_line", negative, "printer"),
    "the flags of a balance": (Reading, "flags", lambda _: property(lambda _self: ("empty",)), "scale"),
    "the status of an analyzer": (riglog_servomex.samples, "status_of", always(Status.SUSPECT), "stack"),
    "a value of a broadcast": (riglog_servomex.continuous.frames, "_number", scaled, "glovebox"),
    "the registers of Modbus": (modbus_samples, "decode_number", scaled, "energy"),
    "the number of a line of text": (ascii_protocol, "raw_of", scaled, "bath"),
    "a valid reply that is refused": (ModbusCodec, "decode", refusing, "stack"),
}


def by_row(path: Path, device: str | None = None) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The content of each row."""

    def key(row: Row) -> tuple[Any, ...]:
        return row.device, row.parameter, row.instance, row.received_at, row.tick

    rows = read(path) if device is None else read(path, device=device)
    return {key(row): (row.value, row.text, row.unit, row.status, row.flags, row.error) for row in rows}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_of_then_is_found_and_the_corrected_rows_are_right(
    what: str, right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, fault, device = FAULTS[what]
    with monkeypatch.context() as patch:
        patch.setattr("riglog.transport.serial._open_in_thread", _opened)
        patch.setattr(owner, name, fault(getattr(owner, name)))
        path = virtual(recorded, tmp_path / "wrong", DEVICES + DERIVED, seconds=12)
    before, out = path.read_bytes(), tmp_path / "new.sqlite"
    assert by_row(path) != by_row(right)
    done: Corrected = virtual(write_corrected, path, out)
    assert done.found.problems == []
    assert done.found.different
    assert device in {each.device for each in done.found.differences}
    assert path.read_bytes() == before
    assert by_row(out) == by_row(right)
    assert verify(out).complete
    assert list(read_events(out)) != []
    assert [run.rows for run in contents(out).runs] == [run.rows for run in contents(path).runs]
    assert not list(tmp_path.glob(".redecode*"))


def test_the_corrected_recording_names_its_source(right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "new.sqlite"
    monkeypatch.setattr(message, "decode_value", second_scaled(message.decode_value))
    virtual(write_corrected, right, out)
    with closing(sqlite3.connect(out)) as database, closing(sqlite3.connect(right)) as old:
        run, stated = database.execute("SELECT run, source FROM run").fetchone()
        (before,) = old.execute("SELECT run FROM run").fetchone()
        tables = "event", "note", "device", "wire", "alarm", "actor", "burst", "derived", "channel", "series"
        for table in tables:
            rows = f"SELECT * FROM {table} ORDER BY rowid" if table != "burst" else "SELECT * FROM burst"
            assert database.execute(rows).fetchall() == old.execute(rows).fetchall()
    source = json.loads(stated)
    assert run == before + CORRECTED
    assert (source["run"], source["file"], source["head"]) == (before, right.name, contents(right).head)
    assert source["sha256"] == hashlib.sha256(right.read_bytes()).hexdigest()
    assert source["drivers"]["oven"] == [version("riglog-watlow"), version("riglog-watlow")]
    assert contents(out).runs[0].source == f"{right.name}: {before}"


def test_a_reply_that_is_not_accepted_today_is_a_row_without_a_value(
    right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new.sqlite"
    monkeypatch.setattr(XbpiCodec, "decode", deaf(XbpiCodec.decode))
    virtual(write_corrected, right, out)
    rows = list(read(out, device="scale"))
    assert len(rows) == len(list(read(right, device="scale")))
    assert {(row.value, row.status) for row in rows} == {(None, "missing")}
    inputs = {row.error for row in read(out, device="derived", parameter="difference")}
    assert inputs == {"no number from scale.net: missing"}


def test_derived_channels_that_cannot_be_computed_again_have_no_value(
    right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "run.sqlite", tmp_path / "new.sqlite"
    shutil.copy(right, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE run SET rig = NULL")
        seal_again(database)
    monkeypatch.setattr(message, "decode_value", second_scaled(message.decode_value))
    done = virtual(write_corrected, path, out)
    assert done.not_computed > 20
    for row in read(out, device="derived"):
        assert row.parameter == "difference" or (row.value is None and row.status == "missing")
    assert by_row(out, "scale") == by_row(right, "scale")


def test_nothing_is_written_if_nothing_is_different_or_something_is_in_the_way(right: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.sqlite"
    done = virtual(write_corrected, right, out)
    assert (done.out, done.found.different) == (None, 0)
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(StorageError, match="file exists"):
        virtual(write_corrected, right, out)
    assert out.read_text() == "mine"
    edited = changed(right, "UPDATE reading SET value = value + 1 WHERE value > 300")
    with pytest.raises(StorageError, match="not as it was sealed"):
        virtual(write_corrected, edited, tmp_path / "other.sqlite")
    empty = tmp_path / "empty.sqlite"
    with closing(sqlite3.connect(right)) as old, closing(sqlite3.connect(empty)) as database:
        old.backup(database)
        database.execute("DELETE FROM wire")
        database.commit()
    with pytest.raises(ConfigError, match="were not kept"):
        virtual(write_corrected, empty, tmp_path / "other.sqlite")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".sqlite") == [
        "empty.sqlite",
        "new.sqlite",
    ]


def test_the_command_writes_and_shows_what_was_corrected(
    right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new.sqlite"
    monkeypatch.setattr(message, "decode_value", second_scaled(message.decode_value))
    done = CliRunner().invoke(cli, ["redecode", str(right), "--write", str(out)], catch_exceptions=False)
    assert "corrected" in done.stdout
    assert "is as it was" in done.stdout
    again = CliRunner().invoke(cli, ["redecode", str(out), "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)["different"] == 0
    assert CliRunner().invoke(cli, ["verify", str(out)]).exit_code == 0
