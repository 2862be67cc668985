"""What cut, redecode and bundle make of a recording with equipment, certificates, notes, alarms and writes."""

import json
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import riglog_ascii
from riglog.cli.app import cli
from riglog.config import load_rig
from riglog.model import Event, EventKind, ParameterWrite
from riglog.model.actor import user
from riglog.recordings import contents, read_alarms, read_equipment, read_notes, verify
from riglog.recordings.bundles import bundle, check_bundle
from riglog.rig import record_rig
from riglog.rig.correcting import write_corrected
from riglog.rig.cutting import cut, without_comments
from riglog.rig.redecoding import redecode
from riglog.sinks.sqlite.wires import read_wires
from riglog.testing import LoopClock
from riglog_watlow.stdbus import message

DCC = Path(__file__).parents[2] / "vectors" / "dcc" / "thermometer.xml"
SHIPPED = Path(riglog_ascii.__file__).parent / "instruments" / "mettler-mt-sics.toml"
NAME, SERIAL, DCC_SERIAL, DCC_NUMBER = "Wernicke", "7730418", "SN4711", "RIGLOG-TEST-0815"
RIG = f"""
# a comment of {NAME}
[run]
name = "{NAME}-run"
rate_hz = 2
duration = "20s"
[[sink]]
type = "sqlite"
path = "{NAME}.sqlite"
[[device]]
name = "{NAME}-bath"
driver = "watlow"
temperature_unit = "degC"
port = "sim:{NAME}-port"
[[device]]
name = "watlow"
driver = "watlow"
temperature_unit = "degC"
port = "sim:{NAME}-port"
address = 2
[[device]]
name = "{NAME}-text"
driver = "ascii"
port = "sim:{NAME}-line"
instrument = "{NAME}.toml"
[equipment.{NAME}-bath]
manufacturer = "{NAME} Instruments"
model = "{NAME}-9"
serial_number = "{SERIAL}"
[[equipment.{NAME}-bath.certificate]]
number = "C-{NAME}-1"
file = "{NAME}.txt"
issued_on = 2026-01-01
valid_until = 2026-01-31
[[equipment.{NAME}-bath.certificate.calibration]]
parameter = "process_value"
unit = "degC"
offset = 0.5
slope = 1.001
uncertainty = 0.2
coverage_factor = 2
[equipment.watlow]
[[equipment.watlow.certificate]]
file = "{NAME}.xml"
[[equipment.watlow.certificate.calibration]]
parameter = "process_value"
unit = "degC"
result = "temperature_measuringResults"
[[alarm]]
name = "{NAME}-alarm"
channel = "{NAME}-bath.process_value"
high = -100
"""
EVIDENCE = "equipment", "certificate", "calibration", "note", "alarm", "alarm_change", "parameter_write", "identity"
CORRECTED = """
SELECT device, parameter, tick, value, corrected, uncertainty, certificate, certificate_valid FROM corrected
WHERE corrected IS NOT NULL ORDER BY device, tick"""


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


async def recorded(folder: Path) -> Path:
    """Record a rig that states all that can be stated, with notes, alarms and writes of a person."""
    (folder / f"{NAME}.txt").write_text(f"certificate of {NAME}, {SERIAL}")
    (folder / f"{NAME}.xml").write_bytes(DCC.read_bytes())
    (folder / f"{NAME}.toml").write_text(f"# a comment of {NAME}\n{SHIPPED.read_text()}")
    rig = folder / "rig.toml"
    text = RIG
    for name in (f"{NAME}.toml", f"{NAME}.sqlite"):
        text = text.replace(f'"{name}"', f'"{(folder / name).as_posix()}"')
    rig.write_text(text)
    clock = LoopClock()

    def act(recording: Any) -> None:
        recording.add_note(f"{NAME} was here", author=NAME, device=f"{NAME}-bath", reason=f"{NAME} has asked")
        recording.acknowledge_alarm(f"{NAME}-alarm", author=NAME, reason=f"seen by {NAME}")
        detail = ParameterWrite(parameter="setpoint", old_value=f"{NAME} old", new_value=f"{NAME} new", confirmed=True)
        recording.add_event(
            Event(clock.utc_ns(), EventKind.WRITE, f"setpoint = {NAME}", f"{NAME}-bath", None, detail, None, NAME)
        )

    await record_rig(load_rig(rig), reason=f"for {NAME}", clock=clock, on_start=act)
    path = folder / f"{NAME}.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO meta (key, value) VALUES (:key, :value)", {"key": NAME, "value": SERIAL})
        database.commit()
    for table in EVIDENCE:
        assert rows(path, f"SELECT 1 FROM {table}") != [] or table == "identity", table
    return path


async def test_a_cut_has_nothing_of_what_names_somebody_and_decodes(tmp_path: Path) -> None:
    path = await recorded(tmp_path)
    host, at = socket.gethostname(), {"watlow": "process_value", f"{NAME}-text": "weight"}
    for device, parameter in at.items():
        out = tmp_path / f"cut-of-{parameter}.sqlite"
        found = await cut(path, f"{device}.{parameter}@last", out, seconds=4)
        assert found.left == 0
        content = out.read_bytes()
        kept = b"".join(
            each.request + each.reply
            for (port,) in rows(out, "SELECT DISTINCT port FROM wire")
            for each in transactions(out, port)
        )
        secrets = [NAME, SERIAL, DCC_SERIAL, DCC_NUMBER, user() or NAME, host, str(tmp_path), "# a comment"]
        for secret in secrets:
            for form in (secret, secret.lower(), secret.upper()):
                assert form.encode() not in content + kept, secret
                assert form.encode("utf-16-le") not in content, secret
        for table in (*EVIDENCE, "actor", "event", "meta"):
            assert rows(out, f"SELECT * FROM {table}") == [], table
        decoded = await redecode(out)
        assert (decoded.problems, decoded.different) == ([], 0)
        assert decoded.rows > 5
        assert verify(out).complete


async def test_a_corrected_recording_and_a_bundle_carry_the_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await recorded(tmp_path)
    out, folder = tmp_path / "new.sqlite", tmp_path / "bundle"
    with monkeypatch.context() as patch:
        patch.setattr(message, "decode_value", doubled(message.decode_value))
        assert (await write_corrected(path, out)).found.different > 10
    bundle(path, folder)
    assert check_bundle(folder).wrong == 0
    (copy,) = folder.rglob("*.sqlite")
    before = rows(path, CORRECTED)
    assert {row[0] for row in before} == {"watlow", f"{NAME}-bath"}
    assert rows(copy, CORRECTED) == before
    after = rows(out, CORRECTED)
    bath = [(row[3], row[4]) for row in after if row[0] == f"{NAME}-bath"]
    assert len(bath) > 10
    assert all(corrected == 0.5 + value * 1.001 for value, corrected in bath)
    assert after != before
    for each in (out, copy):
        assert verify(each).complete
        for table in (*EVIDENCE, "actor", "event", "meta", "device"):
            query = f"SELECT * FROM {table} ORDER BY 1"
            assert rows(each, query) == rows(path, query), table
        assert [one for _, one in read_equipment(each)] == [one for _, one in read_equipment(path)]
        assert next(iter(read_notes(each))).author == NAME
        (alarm,) = read_alarms(each)
        assert alarm.name == f"{NAME}-alarm"


async def test_info_lists_the_equipment_with_its_certificates(tmp_path: Path) -> None:
    path = await recorded(tmp_path)
    bath, oven = contents(path).equipment
    (run,) = contents(path).runs
    assert (bath.run, bath.device, bath.model, bath.serial_number) == (run.run, f"{NAME}-bath", f"{NAME}-9", SERIAL)
    assert (bath.certificate, bath.valid_until) == (f"C-{NAME}-1", "2026-01-31")
    assert bath.overdue == ((run.last_row_at or "")[:10] > "2026-01-31")
    assert (oven.serial_number, oven.certificate, oven.overdue) == (DCC_SERIAL, DCC_NUMBER, None)
    shown = CliRunner().invoke(cli, ["info", str(path)], catch_exceptions=False).stdout
    assert SERIAL in shown
    assert ("(overdue)" in shown) == bath.overdue
    stated = json.loads(CliRunner().invoke(cli, ["info", str(path), "--json"], catch_exceptions=False).stdout)
    assert [each["certificate"] for each in stated["equipment"]] == [f"C-{NAME}-1", DCC_NUMBER]


def doubled(original: Callable[..., Any]) -> Callable[..., Any]:
    def decode(*arguments: Any, **named: Any) -> Any:
        first, second = original(*arguments, **named)
        return first, second * 2 if isinstance(second, float) else second

    return decode


def transactions(path: Path, port: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return list(read_wires(database, 1, port))


def test_comments_are_removed_from_toml_and_hash_signs_in_strings_stay() -> None:
    text = '# Anna\na = "#1" # Anna\nb = """\n# not a comment\n"""\n[c] # x\n'
    assert without_comments(text) == '\na = "#1"\nb = """\n# not a comment\n"""\n[c]\n'
    assert without_comments("no = toml = # a\n") == "no = toml = # a\n"
