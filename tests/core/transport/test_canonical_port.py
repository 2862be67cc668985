"""One name for one port."""

from pathlib import Path

import pytest

from riglog.errors import ConfigError
from riglog.transport import canonical_port


def test_links_lead_to_the_same_port_on_posix(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    assert canonical_port(str(tmp_path / "by-id")) == canonical_port(str(tmp_path / "ttyUSB0"))


@pytest.mark.parametrize("name", ["COM3", "com3", r"\\.\COM3", " COM3 ", r"\\.\com3"])
def test_a_com_port_is_one_port_however_it_is_written_on_windows(name: str) -> None:
    assert canonical_port(name, platform="win32") == "COM3"


def test_a_host_name_has_no_capitals_and_an_address_needs_a_port_number() -> None:
    assert canonical_port("tcp://Lab-Server:4001") == "tcp://lab-server:4001"


@pytest.mark.parametrize("name", ["usb:FT3BNM1O", "sim:watlow"])
def test_what_is_looked_up_when_it_is_opened_stays_as_it_is(name: str) -> None:
    assert canonical_port(name) == name


@pytest.mark.parametrize(
    "name", ["", "  ", "usb:", "tcp://host", "tcp://:4001", "tcp://host:99999", "http://host:80", "tcp://h:1/x"]
)
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        canonical_port(name)


def test_a_device_server_with_rfc_2217_is_named_by_host_and_port() -> None:
    assert canonical_port("rfc2217://Host:4001") == "rfc2217://host:4001"
