"""Digital calibration certificates: what is taken of them, and what hostile ones cannot do."""

import math
import random
import time
from pathlib import Path

import pytest

from riglog.config.dcc import MOST_ELEMENTS, is_dcc, read_dcc
from riglog.errors import ConfigError

SAMPLE = Path(__file__).parents[2] / "vectors" / "dcc" / "thermometer.xml"
TEXT = SAMPLE.read_text()


def changed(old: str, new: str) -> bytes:
    assert old in TEXT
    return TEXT.replace(old, new).encode()


def test_a_certificate_has_its_number_its_instrument_and_its_table() -> None:
    found = read_dcc(SAMPLE.read_bytes())
    assert (found.number, found.issued_on) == ("RIGLOG-TEST-0815", "2026-02-12")
    assert (found.manufacturer, found.model, found.serial_numbers) == ("Example Instruments", "T-100", ("SN4711",))
    (result,) = found.results
    assert result.names == ("table-1", "temperature_measuringResults", "Indicated temperature")
    assert result.points == ((0.1, 0.01), (25.2, 25.02), (50.4, 50.01))
    assert (result.unit, result.coverage_factor) == ("degC", 2.0)
    assert result.uncertainty == ((0.1, 0.05), (25.2, 0.06), (50.4, 0.1))
    assert found.refused == ("temperature_drift: no column of measured values",)


def test_the_uncertainty_of_earlier_versions_of_the_schema_is_read() -> None:
    old = changed("si:measurementUncertaintyUnivariateXMLList>", "si:expandedUncXMLList>").decode()
    for tag in ("<si:expandedMUXMLList>", "</si:expandedMUXMLList>"):
        old = old.replace(tag, "")
    old = old.replace("valueExpandedMUXMLList", "uncertaintyXMLList")
    assert read_dcc(old.encode()) == read_dcc(SAMPLE.read_bytes())


def test_without_reference_values_the_errors_are_subtracted() -> None:
    (result,) = read_dcc(changed("basic_referenceValue", "basic_nominalValue")).results
    assert [true for _, true in result.points] == pytest.approx([0.01, 25.02, 50.01])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<si:valueXMLList>0.1 25.2 50.4", "<si:valueXMLList>0.1 NaN 50.4", "'NaN' is not a finite number"),
        ("<si:valueXMLList>0.1 25.2 50.4", "<si:valueXMLList>0.1 INF 50.4", "'INF' is not a finite number"),
        ("<si:valueXMLList>0.1 25.2 50.4", "<si:valueXMLList>0.1 1e999 50.4", "'1e999' is not a finite number"),
        ("<si:valueXMLList>0.1 25.2 50.4", "<si:valueXMLList>0.1 50.4", "columns of different lengths"),
        ("<si:valueXMLList>0.1 25.2 50.4", "<si:valueXMLList>" + "1 " * 1001, "more than 1000 values"),
        ("0.05 0.06 0.1", "0.05 0.1", "not one uncertainty for each value"),
        ("<si:coverageFactorXMLList>2<", "<si:coverageFactorXMLList>2 3 2<", "different coverage factors"),
        ("basic_measurementError", "basic_measuredValue", "two columns of the kind measuredvalue"),
        (
            "50.01</si:valueXMLList>\n                  <si:unitXMLList>\\degreecelsius",
            "50.01</si:valueXMLList>\n                  <si:unitXMLList>\\kelvin",
            "columns in different units",
        ),
    ],
)
def test_a_table_that_is_not_clear_is_not_used_and_the_reason_is_stated(old: str, new: str, reason: str) -> None:
    found = read_dcc(changed(old, new))
    assert found.results == ()
    assert reason in found.refused[0]


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<digitalCalibrationCertificate schemaVersion="3.0">&b;</digitalCalibrationCertificate>"""
EXTERNAL = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<digitalCalibrationCertificate schemaVersion="3.0">&x;</digitalCalibrationCertificate>"""
OUTSIDE = """<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><digitalCalibrationCertificate schemaVersion="3.0"/>"""


@pytest.mark.parametrize("text", [BOMB, EXTERNAL, OUTSIDE])
def test_a_document_type_is_refused_and_with_it_every_entity(text: str) -> None:
    assert is_dcc(text.encode())
    with pytest.raises(ConfigError, match="document type or entities"):
        read_dcc(text.encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<",
        b"<digitalCalibrationCertificate",
        b"\x00\xff" * 50,
        b"<digitalCalibrationCertificate schemaVersion='2.4.0'/>",
        b"<other schemaVersion='3.0'/>",
        b"<?xml version='1.0' encoding='nonsense'?><digitalCalibrationCertificate schemaVersion='3.0'/>",
        b"<digitalCalibrationCertificate schemaVersion='3.0'>&undefined;</digitalCalibrationCertificate>",
        b"<digitalCalibrationCertificate schemaVersion='3.0'>" + b"<a>" * 500 + b"</a>" * 500,
    ],
)
def test_what_is_no_certificate_of_version_3_is_one_line(content: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        read_dcc(content)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 250


def test_a_certificate_without_anything_in_it_is_read_as_nothing() -> None:
    found = read_dcc(b"<digitalCalibrationCertificate schemaVersion='3.1.2'/>")
    assert (found.number, found.issued_on, found.serial_numbers, found.results) == (None, None, (), ())


def test_a_certificate_that_was_changed_anywhere_is_read_or_refused_in_one_line() -> None:
    chance, refused = random.Random(18), list[str]()
    for _ in range(600):
        content = bytearray(SAMPLE.read_bytes())
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(content))
            match chance.randrange(3):
                case 0:
                    content[at] = chance.randrange(256)
                case 1:
                    del content[at : at + chance.randint(1, 200)]
                case _:
                    content[at:at] = content[at - 60 : at]
        try:
            found = read_dcc(bytes(content))
        except ConfigError as error:
            refused.append(error.message)
        else:
            numbers = [number for result in found.results for pair in result.points for number in pair]
            assert all(math.isfinite(number) for number in numbers)
    assert 100 < len(refused) < 600
    assert [message for message in refused if "\n" in message] == []


def test_a_number_that_is_too_long_for_one_is_none() -> None:
    assert read_dcc(changed("RIGLOG-TEST-0815", "9" * 201)).number is None


def test_ten_megabytes_of_elements_end_in_seconds() -> None:
    many = (
        b"<digitalCalibrationCertificate schemaVersion='3.0'>"
        + b"<a/>" * 2_500_000
        + b"</digitalCalibrationCertificate>"
    )
    began = time.process_time()
    with pytest.raises(ConfigError, match="too many elements"):
        read_dcc(many)
    assert time.process_time() - began < 5
    assert MOST_ELEMENTS < 2_500_000
