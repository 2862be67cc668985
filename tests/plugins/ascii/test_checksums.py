"""Lines with a checksum, and replies of several lines: described by the file, with every fault of the kit."""

from collections.abc import Callable
from pathlib import Path

import pytest
from vendor_kit import installed_driver

from riglog.errors import ConfigError
from riglog.model import Status
from riglog.testing import DriverConformance
from riglog_ascii import AsciiInstrument
from riglog_ascii.checks import LineCheck
from riglog_ascii.simulator import AsciiSimulator

FILE = """\
format = 1
driver = "ascii"
title = "Pump with a checksum"
identity = ["serial"]

[line]
checksum = "crc16"
checksum_mark = "*"
checksum_skip = 1

[read.values]
request = "$VAL?"
replies = ["$P {pressure:number}\\n$T {temperature:number} {unit:word}"]
instead = { "$BUSY" = "missing" }

[read.values.channel]
pressure = { unit = "mbar", decimals = 2 }
temperature = { unit_from = "unit", decimals = 1 }
unit = { record = false, simulate = "degC" }

[read.serial]
request = "$SN?"
replies = ["$SN {serial:word}"]

[read.serial.channel]
serial = { record = false, simulate = "4711" }

[read.model]
request = "$MO?"
replies = ["$MO {model:word}"]

[read.model.channel]
model = { record = false, simulate = "P2" }
"""


@pytest.fixture(scope="module")
def pump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pump") / "pump.toml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    ("check", "line", "with_check"),
    [
        (LineCheck("xor8", b"*", 1), b"$GPGLL,5057.970,N,00146.110,E,142451,A", b"*27"),  # NMEA 0183
        (LineCheck("crc16"), b"123456789", b"4B37"),  # the check value of CRC-16/MODBUS
        (LineCheck("sum8"), b"123456789", b"DD"),
        (LineCheck("lrc8"), b"123456789", b"23"),
    ],
)
def test_a_checksum_is_that_of_its_standard(check: LineCheck, line: bytes, with_check: bytes) -> None:
    assert check.added(line) == line + with_check
    assert check.removed(line + with_check.lower()) == line
    assert check.removed(line + with_check[:-1] + b"0") is None
    assert check.removed(with_check[-1:]) is None


async def test_a_reply_of_two_lines_is_one_reading_of_each(
    pump: Path, simulator_of: Callable[..., AsciiSimulator], instrument_on: Callable[..., AsciiInstrument]
) -> None:
    simulator = simulator_of(pump)
    device = instrument_on(simulator, pump)
    await device.open()
    samples = {sample.parameter: sample for sample in await device.poll()}
    assert [sample.status for sample in samples.values()] == [Status.OK] * 2
    assert (samples["pressure"].unit, samples["temperature"].unit) == ("mbar", "degC")
    simulator.set("values.instead", "$BUSY")
    assert {sample.status for sample in await device.poll()} == {Status.MISSING}


def test_one_wrong_bit_is_no_reply(pump: Path, simulator_of: Callable[..., AsciiSimulator]) -> None:
    simulator = simulator_of(pump)
    assert simulator.receive(b"$SN?*0000\r\n", 0.0) == b"", "a request with another checksum is not executed"
    assert simulator.receive(LineCheck("crc16", b"*", 1).added(b"$SN?") + b"\r\n", 0.0).startswith(b"$SN 4711*")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"$P {pressure', '"$A {_:text}", "$P {pressure', "different numbers of lines"),
        ('request = "$VAL?"\n', "", "need a request"),
        ('"crc16"', '"crc32"', "crc32"),
    ],
)
def test_what_cannot_be_is_a_mistake_of_the_file(
    write: Callable[..., Path], simulator_of: Callable[..., AsciiSimulator], old: str, new: str, message: str
) -> None:
    assert old in FILE
    with pytest.raises((ExceptionGroup, ConfigError)) as caught:
        simulator_of(write(FILE.replace(old, new)))
    assert message in repr(getattr(caught.value, "exceptions", caught.value))


class TestPump(DriverConformance):
    """The kit, without any fault that cannot be detected."""

    driver = installed_driver("ascii")
    installed = False

    @pytest.fixture(autouse=True)
    def file(self, pump: Path) -> None:
        type(self).options = {"instrument": str(pump), "late_reply_limit": 2.0}
