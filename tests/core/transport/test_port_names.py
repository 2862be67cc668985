"""USB adapters by their serial number, also where several have the same; and who holds a port."""

import os
import pty
import sys

import pytest

from riglog.errors import PortError, PortNotFoundError
from riglog.transport import serial as serial_port
from riglog.transport.holders import port_holders
from riglog.transport.serial import SerialPort, usb_device

PORTS = [
    SerialPort("/dev/ttyS0", "built in", None),
    SerialPort("/dev/ttyUSB0", "adapter", "0001", "1-1"),
    SerialPort("/dev/ttyUSB1", "four ports", "FT4", "1-2:1.0"),
    SerialPort("/dev/ttyUSB2", "four ports", "FT4", "1-2:1.1"),
    SerialPort("/dev/ttyUSB3", "adapter", "0001", "1-14"),
    SerialPort("/dev/ttyUSB4", "adapter", "ONE", None),
]


@pytest.fixture(autouse=True)
def plugged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "serial_ports", lambda: PORTS)


@pytest.mark.parametrize(
    ("wanted", "device"),
    [
        ("ONE", "/dev/ttyUSB4"),
        ("0001@1-1", "/dev/ttyUSB0"),
        ("0001@1-14", "/dev/ttyUSB3"),
        ("FT4@1-2:1.1", "/dev/ttyUSB2"),
    ],
)
def test_an_adapter_is_named_by_its_number_and_where_needed_by_its_place(wanted: str, device: str) -> None:
    assert usb_device(wanted) == device


@pytest.mark.parametrize(("wanted", "named"), [("0001", ("USB0", "USB3")), ("FT4", ("USB1", "USB2")), ("FT4@1-2", ())])
def test_several_matches_are_refused_and_named(wanted: str, named: tuple[str, ...]) -> None:
    with pytest.raises(PortError, match="2 ports have this USB serial number") as refused:
        usb_device(wanted)
    assert all(f"/dev/tty{name}" in str(refused.value.hint) for name in named)
    for place in str(refused.value.hint).removeprefix("Use one of ").split(", "):
        name, device = place.split(" ")
        assert usb_device(name.removeprefix("usb:")) == device.strip("()")


@pytest.mark.parametrize("wanted", ["0002", "0001@1-3", "FT4@1-2:1.7", "FT4@"])
def test_what_is_not_plugged_in_is_not_found(wanted: str) -> None:
    if wanted.endswith("@"):
        with pytest.raises(PortError):
            usb_device(wanted)
        return
    with pytest.raises(PortNotFoundError) as missing:
        usb_device(wanted)
    assert missing.value.hint == "USB serial adapters found: 0001, FT4, ONE"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shows who holds a port")
def test_the_program_that_holds_a_port_is_named() -> None:
    controller, device = pty.openpty()
    try:
        path = os.ttyname(device)
        holders = port_holders([path, "/dev/null-and-void"])
        assert holders is not None
        assert any(f"({os.getpid()})" in holder for holder in holders[path])
        assert holders["/dev/null-and-void"] == []
    finally:
        os.close(controller)
        os.close(device)
