"""The tables ``[equipment.NAME]``: all mistakes at once, each in one line, before anything is opened."""

import hashlib
from pathlib import Path
from shutil import copy

import pytest

from riglog.config import RigConfig, load_rig
from riglog.config.equipment import MOST_BYTES
from riglog.config.json_schema import rig_schema
from riglog.errors import ConfigError
from riglog.plugin import Registry

SAMPLE = Path(__file__).parents[2] / "vectors" / "dcc" / "thermometer.xml"
RIG = """
[run]
name = "kiln"
[[device]]
name = "oven"
driver = "toy"
port = "sim:1"
"""
BEGIN = '[equipment.oven]\n[[equipment.oven.certificate]]\nnumber = "C-1"\n'
ONE = f'{BEGIN}[[equipment.oven.certificate.calibration]]\nparameter = "level"\nunit = "mm"\n'


def load(folder: Path, registry: Registry, equipment: str) -> RigConfig:
    path = folder / "rig.toml"
    path.write_text(RIG + equipment)
    return load_rig(path, registry=registry)


def mistakes(folder: Path, registry: Registry, equipment: str) -> list[str]:
    with pytest.raises(ExceptionGroup) as caught:
        load(folder, registry, equipment)
    errors = [error for error in caught.value.exceptions if isinstance(error, ConfigError)]
    assert all("\n" not in f"{error.message}{error.hint}" for error in errors)
    return [error.message for error in errors]


def test_equipment_has_what_the_rig_file_states_and_the_file_with_its_hash(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "c.pdf").write_bytes(b"%PDF certificate")
    config = load(
        tmp_path,
        registry,
        """
[equipment.oven]
manufacturer = "Toys"
model = "T"
serial_number = "7"
[[equipment.oven.certificate]]
number = "C-1"
file = "c.pdf"
issued_on = 2026-01-02
valid_until = 2027-01-02
[[equipment.oven.certificate.calibration]]
parameter = "level"
unit = "mm"
offset = 0.5
slope = 2
uncertainty = 0.1
uncertainty_relative = 0.01
coverage_factor = 2
""",
    )
    (equipment,) = config.equipment
    (certificate,) = equipment.certificates
    (calibration,) = certificate.calibrations
    assert (equipment.device, equipment.manufacturer, equipment.serial_number) == ("oven", "Toys", "7")
    assert (certificate.issued_on, certificate.valid_until) == ("2026-01-02", "2027-01-02")
    assert certificate.sha256 == hashlib.sha256(b"%PDF certificate").digest()
    assert certificate.content == b"%PDF certificate"
    found = calibration.correct(10.0, "mm")
    assert (found.value, found.uncertainty) == (20.5, pytest.approx(0.1 + 0.205))


def test_a_digital_certificate_gives_its_number_dates_serial_number_and_table(
    tmp_path: Path, registry: Registry
) -> None:
    copy(SAMPLE, tmp_path)
    text = """
[equipment.oven]
[[equipment.oven.certificate]]
file = "thermometer.xml"
valid_until = 2027-02-12
[[equipment.oven.certificate.calibration]]
parameter = "level"
unit = "degC"
result = "table-1"
"""
    (equipment,) = load(tmp_path, registry, text).equipment
    (certificate,) = equipment.certificates
    assert (equipment.serial_number, equipment.model) == ("SN4711", "T-100")
    assert (certificate.number, certificate.issued_on) == ("RIGLOG-TEST-0815", "2026-02-12")
    (calibration,) = certificate.calibrations
    assert calibration.correct(25.2, "degC").value == 25.02
    assert calibration.correct(25.2, "degC").uncertainty == pytest.approx(0.06)
    assert calibration.coverage_factor == 2
    wrong = text.replace("[equipment.oven]", '[equipment.oven]\nserial_number = "SN1"', 1).replace('"degC"', '"degF"')
    wrong = wrong.replace("valid_until = 2027-02-12", 'valid_until = 2026-01-01\nnumber = "other"')
    assert mistakes(tmp_path, registry, wrong) == [
        "equipment.oven.certificate 1.number: other here, RIGLOG-TEST-0815 in the certificate",
        "equipment.oven.serial_number: SN1 here, SN4711 in the certificate",
        "equipment.oven.certificate 1.valid_until: 2026-01-01 is before it was issued, 2026-02-12",
        "equipment.oven.certificate 1.calibration 1.unit: 'degF' here, 'degC' in the certificate",
    ]
    unknown = text.replace("table-1", "temperature_drift")
    (message,) = mistakes(tmp_path, registry, unknown)
    assert message.endswith("result: no table 'temperature_drift' in the certificate")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[equipment.ofen]\n", "equipment.ofen: unknown device 'ofen'"),
        ("equipment = 7\n", "equipment: must be a table [equipment]"),
        ("[equipment]\noven = 7\n", "equipment.oven: must be a table [equipment.oven]"),
        ("[equipment.oven]\nserial = '1'\n", "equipment.oven.serial: unknown key"),
        ("[equipment.oven]\n[[equipment.oven.certificate]]\n", "certificate 1.number: missing"),
        (f"{BEGIN}file = 'none.xml'\n", "certificate 1.file: none.xml: file not found"),
        (f"{BEGIN}file = '.'\n", "certificate 1.file: .: file not found"),
        (f"{BEGIN}valid_until = 'soon'\n", "certificate 1.valid_until: invalid value 'soon'"),
        (f"{BEGIN}[[equipment.oven.certificate.calibration]]\nunit = 'mm'\noffset = 0\n", "1.parameter: missing"),
        (ONE, "calibration 1: no correction"),
        (f"{ONE}offset = 1\ntable = [[0, 0], [1, 1]]\n", "offset and table together"),
        (f"{ONE}offset = nan\n", "calibration 1.offset: nan is not a finite number"),
        (f"{ONE}slope = inf\n", "calibration 1.slope: inf is not a finite number"),
        (f"{ONE}polynomial = [1, nan]\n", "calibration 1.polynomial: nan is not a finite number"),
        (f"{ONE}polynomial = {[1.0] * 10}\n", "calibration 1.polynomial: invalid value"),
        (f"{ONE}table = []\n", "calibration 1.table: invalid value []"),
        (f"{ONE}table = [[0, 1], [0, 2]]\n", "calibration 1.table: two pairs for the raw value 0"),
        (f"{ONE}table = [[0, 1], [1, nan]]\n", "calibration 1.table: [1.0, nan] is not a pair of finite numbers"),
        (f"{ONE}table = [[0, 1e300], [1e-300, -1e300]]\n", "are too near to each other"),
        (f"{ONE}table = [[0, 1]]\nrange = [0, 1]\n", "calibration 1.range: not with a table"),
        (f"{ONE}offset = 1\nrange = [2, 1]\n", "calibration 1.range: [2.0, 1.0] is not from low to high"),
        (f"{ONE}offset = 1\nuncertainty = -1\n", "calibration 1.uncertainty: invalid value -1"),
        (f"{ONE}offset = 1\nuncertainty_table = [[0, -1]]\n", "uncertainty_table: an uncertainty below 0"),
        (f"{ONE}offset = 1\ncoverage_factor = 2\n", "coverage_factor: without an uncertainty"),
        (f"{ONE}result = 'x'\n", "result: the certificate has no file that is a digital calibration certificate"),
        (f"{ONE}offset = 1\noutside = 'guess'\n", "calibration 1.outside: invalid value 'guess'"),
        (f"{ONE}offset = 1\n{ONE.removeprefix('[equipment.oven]')}offset = 2\n", "two calibrations of oven.level"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, registry: Registry, text: str, message: str) -> None:
    if text.startswith("equipment ="):
        (tmp_path / "rig.toml").write_text(text + RIG)
        with pytest.raises(ExceptionGroup) as caught:
            load_rig(tmp_path / "rig.toml", registry=registry)
        assert message in str(caught.value.exceptions[0])
        return
    (found,) = mistakes(tmp_path, registry, text)
    assert message in found


def test_all_mistakes_are_reported_together(tmp_path: Path, registry: Registry) -> None:
    text = f"{ONE}offset = nan\nrange = [1, 1]\n[equipment.ofen]\n[[alarm]]\nname = 'a'\nchannel = 'ofen.x'\nhigh = 1\n"
    assert len(mistakes(tmp_path, registry, text)) == 4


def test_a_file_that_is_too_large_or_hostile_is_refused(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "large.xml").write_bytes(b" " * (MOST_BYTES + 1))
    (message,) = mistakes(tmp_path, registry, f"{BEGIN}file = 'large.xml'\n")
    assert message.endswith("large.xml: more than 10 MB")
    (tmp_path / "bomb.xml").write_text("<!DOCTYPE a [<!ENTITY b 'c'>]><digitalCalibrationCertificate/>")
    (message,) = mistakes(tmp_path, registry, f"{BEGIN}file = 'bomb.xml'\n")
    assert "document type or entities" in message


def test_a_table_may_be_in_any_order(tmp_path: Path, registry: Registry) -> None:
    (equipment,) = load(tmp_path, registry, f"{ONE}table = [[100, 101], [0, 1]]\n").equipment
    (calibration,) = equipment.certificates[0].calibrations
    assert calibration.correct(50.0, "mm").value == 51.0


def test_the_schema_of_rig_files_has_the_tables(registry: Registry) -> None:
    schema = rig_schema(registry)
    assert "equipment" in schema["properties"]
    assert schema["$defs"]["EquipmentConfig"]["properties"]["certificate"]["items"]
