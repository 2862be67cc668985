"""Instruments and certificates of a recording: stored, sealed, compared with what is there, and what they correct."""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from meter import MeterDriver
from msgspec.structs import astuple, replace

import riglog
from riglog.errors import ConfigError
from riglog.model import NS, Batch, Channel, Sample, Stamp, iso, new_run
from riglog.model.equipment import Calibration, Certificate, Equipment, Uncertainty, interpolation, polynomial
from riglog.plugin import Registry
from riglog.recordings import export, read_equipment, read_events, verify
from riglog.rig.equipment import difference
from riglog.sinks.sqlite.run_file import RunFile
from riglog.testing import LoopClock

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "tests" / "vectors" / "dcc" / "thermometer.xml"
RIG = """
[run]
name = "tank"
rate_hz = 5.0
[[device]]
name = "one"
driver = "meter"
port = "sim:1"
"""
EQUIPMENT = """
[equipment.one]
serial_number = "SN4711"
[[equipment.one.certificate]]
number = "C-1"
file = "thermometer.xml.txt"
issued_on = 2026-01-01
valid_until = 2026-12-31
[[equipment.one.certificate.calibration]]
parameter = "pressure"
unit = "mbar"
offset = 0.5
slope = 1.001
uncertainty = 0.2
coverage_factor = 2
[[equipment.one.certificate.calibration]]
parameter = "temperature"
unit = "K"
offset = 1
"""
DAY_NS = 86_400 * NS
COLUMNS = "corrected, uncertainty, coverage_factor, certificate, certificate_valid, remark"


@pytest.fixture
def meters(registry: Registry) -> Registry:
    registry.drivers["meter"] = MeterDriver()
    return registry


class Tank:
    """A rig with one meter, recorded into one file."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.path, self.out, self.registry, self.clock = folder / "rig.toml", folder / "t.sqlite", registry, LoopClock()
        (folder / "thermometer.xml.txt").write_bytes(b"a certificate on paper")

    async def record(self, equipment: str = EQUIPMENT, **options: Any) -> str:
        self.path.write_text(RIG + equipment)
        options = {"out": self.out, "duration": 2, "registry": self.registry, "clock": self.clock} | options
        outcome = await riglog.record_rig(self.path, **options)
        await anyio.sleep(1)
        return outcome.run.id

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.out)) as database:
            return database.execute(query).fetchall()

    def events(self, kind: str) -> list[str]:
        return [event.message for event in read_events(self.out) if event.kind == kind]


@pytest.fixture
def tank(tmp_path: Path, meters: Registry) -> Tank:
    return Tank(tmp_path, meters)


async def test_each_row_has_its_corrected_value_and_the_raw_one_stays(tank: Tank) -> None:
    await tank.record()
    raw = {(row.parameter, row.tick): row.value for row in riglog.read(tank.out)}
    found = tank.rows(f"SELECT parameter, tick, value, unit, {COLUMNS} FROM corrected")
    assert len(found) == len(raw) == 20
    for parameter, tick, value, unit, corrected, uncertainty, factor, certificate, valid, remark in found:
        assert value == raw[parameter, tick]
        assert certificate == "C-1"
        if parameter == "pressure":
            assert (corrected, uncertainty, factor, remark) == (0.5 + value * 1.001, 0.2, 2.0, None)
            assert valid == (1 if "2026-01-01" <= tank_day(tank) <= "2026-12-31" else 0)
        else:  # recorded in degC, and calibrated in kelvin: never a wrong number
            assert (unit, corrected, uncertainty, remark) == ("degC", None, None, "other unit")


def tank_day(tank: Tank) -> str:
    return str(tank.rows("SELECT substr(received_at, 1, 10) FROM samples LIMIT 1")[0][0])


async def test_equipment_is_sealed_and_an_edit_is_found(tank: Tank) -> None:
    await tank.record()
    assert (verify(tank.out).wrong_blocks, verify(tank.out).problems) == (0, [])
    independent = [sys.executable, str(ROOT / "examples" / "verify_seals.py"), str(tank.out)]
    assert (
        subprocess.run(  # noqa: ASYNC221 - nothing else runs
            independent, capture_output=True, timeout=60, check=False
        ).returncode
        == 0
    )
    edits = {
        "equipment": "serial_number = 'SN1'",
        "certificate": "valid_until = '2099-01-01'",
        "calibration": "coverage_factor = 1.0",
    }
    untouched = tank.out.read_bytes()
    for table, edit in edits.items():
        tank.out.write_bytes(untouched)
        with closing(sqlite3.connect(tank.out)) as database:
            database.execute(f"UPDATE {table} SET {edit}")
            database.commit()
        assert verify(tank.out).wrong_blocks == 1
        assert (
            subprocess.run(  # noqa: ASYNC221 - nothing else runs
                independent, capture_output=True, timeout=60, check=False
            ).returncode
            != 0
        )


async def test_calibrations_of_channels_that_are_exchanged_correct_nothing(tank: Tank) -> None:
    """The names of the channel are in what is sealed: numbers of series alone can be exchanged unnoticed."""
    await tank.record()
    with closing(sqlite3.connect(tank.out)) as database:
        database.execute("UPDATE calibration SET series_id = 3 - series_id")
        database.commit()
    assert tank.rows("SELECT count(*) FROM corrected WHERE corrected IS NOT NULL") == [(0,)]


async def test_a_recording_of_before_has_the_view_after_it_is_continued_and_verifies(tank: Tank) -> None:
    await tank.record("")
    with closing(sqlite3.connect(tank.out)) as database:
        database.execute("DROP VIEW corrected")
        database.commit()
    assert verify(tank.out).problems == []
    await tank.record()
    assert verify(tank.out).problems == []
    assert tank.rows("SELECT count(*) FROM corrected WHERE corrected IS NOT NULL") == [(10,)]


async def test_a_serial_number_that_differs_is_an_event(tank: Tank) -> None:
    await tank.record(EQUIPMENT.replace("SN4711", "SN4712"))
    assert tank.events("equipment_differs") == ["serial number SN4712 in the rig file, SN4711 read from the instrument"]
    await tank.record()
    assert len(tank.events("equipment_differs")) == 1


@pytest.mark.parametrize(
    ("stated", "identity", "differs"),
    [
        ("12", "12", False),
        ("12", "0012", False),
        ("sn12", "EZ-ZONE PM, serial SN12", False),
        ("12", "serial=12;model=5", False),
        ("12", "123", True),
        ("12", "SN12", True),
        (None, "12", False),
    ],
)
def test_serial_numbers_are_compared_as_words(stated: str | None, identity: str, differs: bool) -> None:
    assert (difference(Equipment(device="a", serial_number=stated), identity) is not None) == differs


async def test_an_overdue_certificate_is_an_event_at_the_start_and_a_flag(tank: Tank) -> None:
    await tank.record(EQUIPMENT.replace("2026-12-31", "2026-01-31"))
    (message,) = tank.events("certificate_overdue")
    assert message == "certificate C-1 was valid until 2026-01-31"
    assert tank.rows("SELECT DISTINCT certificate_valid FROM corrected WHERE certificate IS NOT NULL") == [(0,)]
    assert tank.rows("SELECT count(*) FROM corrected WHERE corrected IS NOT NULL") == [(10,)]


class SteppedClock(LoopClock):
    """A clock that begins some seconds before midnight, and can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.offset_ns = 0
        self.offset_ns = DAY_NS - 3 * NS - self.utc_ns() % DAY_NS

    def utc_ns(self) -> int:
        return super().utc_ns() + self.offset_ns


async def test_a_certificate_that_becomes_overdue_is_an_event_then_also_if_the_clock_steps(tank: Tank) -> None:
    tank.clock = clock = SteppedClock()
    day = iso(clock.utc_ns())[:10]

    def step(recording: Any) -> None:
        def take(batch: Any) -> None:
            seconds = (clock.utc_ns() - clock.offset_ns - began) / NS
            clock.offset_ns = start - (10 * NS if 6 < seconds < 9 else 0)

        began, start = clock.utc_ns() - clock.offset_ns, clock.offset_ns
        recording.watchers.append(take)

    await tank.record(EQUIPMENT.replace("2026-12-31", day), duration=14, on_start=step)
    messages = tank.events("certificate_overdue")
    assert messages == [f"certificate C-1 was valid until {day}"] * 2  # after midnight; and after the clock was set
    days = tank.rows("SELECT DISTINCT substr(received_at, 1, 10), certificate_valid FROM corrected ORDER BY 1")
    assert [valid for _, valid in days] == [1, 0]
    assert days[0][0] == day


async def test_a_run_has_one_calibration_so_a_changed_one_begins_a_new_run(tank: Tank) -> None:
    first = await tank.record(duration=2)
    assert await tank.record(duration=2, resume=True) == first
    changed = await tank.record(EQUIPMENT.replace("offset = 0.5", "offset = 0.7"), duration=2, resume=True)
    assert changed != first
    (*_, message) = tank.events("run_started")
    assert message.endswith(
        "cannot be resumed: the equipment, a certificate or a calibration in the rig file was changed"
    )
    corrected = tank.rows("SELECT run, avg(corrected - 1.001 * value) FROM corrected GROUP BY run ORDER BY run")
    offsets = {run: round(offset, 6) for run, offset in corrected if offset is not None}
    assert offsets == {first: 0.5, changed: 0.7}
    (tank.out.parent / "thermometer.xml.txt").write_bytes(b"another certificate on paper")
    assert await tank.record(EQUIPMENT.replace("offset = 0.5", "offset = 0.7"), duration=2, resume=True) != changed


async def test_the_content_of_a_certificate_is_stored_once_in_a_file(tank: Tank) -> None:
    await tank.record()
    await tank.record()
    assert tank.rows("SELECT file, length(sha256), content FROM certificate ORDER BY id") == [
        ("thermometer.xml.txt", 32, b"a certificate on paper"),
        ("thermometer.xml.txt", 32, None),
    ]
    assert verify(tank.out).wrong_blocks == 0


async def test_each_file_of_a_rotation_states_the_equipment(tank: Tank) -> None:
    rotated = f'[[sink]]\ntype = "sqlite"\npath = "{tank.out.as_posix()}"\nrotate = "60s"\n'
    await tank.record(EQUIPMENT + rotated, out=None, duration=130)
    files = sorted(tank.out.parent.glob("t*.sqlite"))
    assert len(files) > 1
    for file in files:
        assert [each.serial_number for _, each in read_equipment(file)] == ["SN4711"]
        assert verify(file).wrong_blocks == 0
    rows = list(riglog.read(files).corrected())
    assert {row.certificate for row in rows} == {"C-1"}


async def test_python_and_export_give_what_the_view_gives(tank: Tank, tmp_path: Path) -> None:
    await tank.record()
    view = tank.rows(f"SELECT run, tick, parameter, value, {COLUMNS} FROM corrected ORDER BY received_ns, parameter")
    rows = sorted(riglog.read(tank.out).corrected(), key=lambda row: (row.received_at, row.parameter))
    names = ("run", "tick", "parameter", "value", *COLUMNS.split(", "))
    assert [tuple(getattr(row, name) for name in names) for row in rows] == view
    export(tank.out, tmp_path / "t.csv", format="csv", corrected=True)
    header, *lines = (tmp_path / "t.csv").read_text().splitlines()
    assert header.replace('"', "").endswith(f"monotonic_ns,{COLUMNS.replace(', ', ',')}")
    assert len(lines) == len(view)
    export(tank.out, tmp_path / "raw.csv", format="csv")
    frame = riglog.read(tank.out).to_pandas(corrected=True)
    assert frame["corrected"].count() == 10
    with pytest.raises(ConfigError, match="not in wide tables"):
        export(tank.out, tmp_path / "w.csv", format="csv", corrected=True, wide=True)
    with pytest.raises(ConfigError, match="only in SQLite"):
        list(riglog.read(tmp_path / "raw.csv").corrected())


def made(number: int, chance: random.Random) -> Calibration:
    """Return a calibration of any form."""
    extend = chance.random() < 0.5
    coefficients = [chance.uniform(-2, 2) for _ in range(chance.randint(1, 9))]
    points = sorted(
        {round(chance.uniform(-50, 50), 1): chance.uniform(-60, 60) for _ in range(chance.randint(1, 9))}.items()
    )
    limits = (-20.0, 30.0) if chance.random() < 0.5 else None
    pieces = polynomial(coefficients, limits, extend=extend) if number % 2 else interpolation(points, extend=extend)
    uncertainties = [
        None,
        Uncertainty(absolute=0.3),
        Uncertainty(absolute=0.1, relative=0.01),
        Uncertainty(pieces=interpolation([(-40.0, 0.1), (0.0, 0.3), (40.0, 0.2)], extend=False)),
    ]
    return Calibration(
        parameter="pressure",
        unit="mbar",
        form="polynomial" if number % 2 else "table",
        stated={},
        pieces=pieces,
        uncertainty=chance.choice(uncertainties),
    )


async def test_sql_and_python_compute_the_same_for_every_form(tank: Tank) -> None:
    """Bit by bit, over random calibrations and values, with those at the ends of ranges."""
    chance, compared = random.Random(4), 0
    channel = Channel(device="one", driver="d", protocol="p", address=None, parameter="pressure", unit="mbar")
    for number in range(24):
        calibration = made(number, chance)
        ends = [each for piece in calibration.pieces for each in (piece.above, piece.up_to) if each is not None]
        values = [*ends, *(chance.uniform(-80, 80) for _ in range(40)), 0.0, 1e300, -1e300]
        equipment = Equipment(device="one", certificates=(Certificate(number="C", calibrations=(calibration,)),))
        run = replace(new_run(f"r{number}"), equipment=(equipment,))
        file = RunFile(tank.out, run, durable=False, profile="desk")
        samples = [
            Sample(
                channel=channel,
                stamp=Stamp(run.started_ns + n * NS, None, run.anchor_ns + n * NS),
                value=value,
                unit="mbar",
            )
            for n, value in enumerate(values)
        ]
        file.write([Batch("one", None, samples)], [])
        file.close()
        found = tank.rows(f"SELECT value, corrected, uncertainty, remark FROM corrected WHERE run = '{run.id}'")
        assert len(found) == len(values)
        for value, *columns in found:
            assert tuple(columns) == astuple(calibration.correct(value, "mbar"))
            compared += 1
    assert compared > 1000
