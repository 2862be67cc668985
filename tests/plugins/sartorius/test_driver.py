"""The driver: configuration, links, timeouts, and what the rig file must not say."""

from typing import Any

import msgspec
import pytest

from riglog.errors import ConfigError
from riglog.manager import resolve_device
from riglog.manager.port_utilisation import port_utilisation
from riglog.plugin import configure, installed
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog_sartorius.config import SartoriusConfig
from riglog_sartorius.driver import SartoriusDriver
from riglog_sartorius.simulation.sbi import SbiBalance

DRIVER = SartoriusDriver()


def config(**said: Any) -> SartoriusConfig:
    table = {"name": "balance", "driver": "sartorius", "port": "sim:", **said}
    made = configure(DRIVER, table, "device[1]")
    assert isinstance(made, SartoriusConfig)
    return made


def test_the_plugin_is_installed_and_sound() -> None:
    registry = installed()
    assert registry.driver("sartorius").name == "sartorius"
    (plugin,) = [plugin for plugin in registry.plugins if plugin.name == "sartorius"]
    assert plugin.problem is None


def test_asked_and_printing_share_their_link() -> None:
    asked, printing = DRIVER.link(config(protocol="sbi")), DRIVER.link(config(protocol="sbi", autoprint=True))
    assert asked == printing
    assert (asked.baudrate, asked.bytesize, asked.parity, asked.stopbits) == (9600, 8, "O", 1)
    assert DRIVER.link(config(protocol="xbpi")) != asked


def test_serial_settings_of_old_balances_can_be_said() -> None:
    link = DRIVER.link(config(baudrate=1200, bytesize=7, rtscts=True))
    assert (link.protocol, link.baudrate, link.bytesize, link.parity, link.rtscts) == ("sbi", 1200, 7, "O", True)


@pytest.mark.parametrize(("baudrate", "least"), [(600, 3.0), (1200, 1.5), (9600, 1.0), (19200, 1.0)])
def test_slow_lines_get_more_time(baudrate: int, least: float) -> None:
    link = DRIVER.link(config(protocol="xbpi", baudrate=baudrate))
    client = DRIVER.connect(link, SimulatedTransport(FaultyWire(SbiBalance())))
    assert least <= client.timeout < least + 0.2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"protocol": "sbi-autoprint"}, "protocol"),
        ({"protocol": "xbpi", "parameters": ["netto"]}, "netto"),
        ({"protocol": "sbi", "parameters": ["gross"]}, "gross"),
        ({"protocol": "xbpi", "parameters": ["net", "net"]}, "twice"),
        ({"protocol": "xbpi", "autoprint": True}, "never prints"),
        ({"protocol": "xbpi", "bytesize": 7}, "8 data bits"),
        ({"protocol": "xbpi", "address": 256}, "address"),
        ({"protocol": "xbpi", "sensors": [4]}, "sensors"),
        ({"autoprnt": True}, "unknown key"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_hint(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**said)


def test_channels_are_declared_before_anything_is_sent() -> None:
    made = config(protocol="xbpi", parameters=["net", "temperature"], sensors=[0, 3])
    transport = SimulatedTransport(FaultyWire(SbiBalance()))
    device = DRIVER.device(made, DRIVER.connect(DRIVER.link(made), transport))
    assert [(one.parameter, one.instance, one.unit, one.address) for one in device.channels] == [
        ("net", 1, None, 9),
        ("temperature", 0, "degC", 9),
        ("temperature", 3, "degC", 9),
    ]
    assert {type(one.parameter) for one in device.channels} == {str}
    assert DRIVER.address(made) is None  # replies carry no address: a balance needs the port for itself


def test_what_a_slow_line_cannot_carry_is_known_beforehand() -> None:
    table = {"name": "b", "driver": "sartorius", "port": "/dev/ttyUSB0", "protocol": "xbpi", "rate_hz": 10}
    fast, slow = (resolve_device(installed(), table | {"baudrate": baudrate}) for baudrate in (19200, 1200))
    (use,) = port_utilisation([fast], 1.0)
    assert use.share == pytest.approx(10 * (28 * 11 / 19200 + 0.005))
    (use,) = port_utilisation([slow], 1.0)
    with pytest.raises(ConfigError, match="what the line can carry"):
        use.refuse_impossible()


def test_the_tables_of_the_demo_are_configurations() -> None:
    for table in DRIVER.demo():
        assert configure(DRIVER, table, "demo").name


def test_settings_of_a_found_balance_are_a_configuration() -> None:
    from riglog_sartorius.probe import LINKS

    for link in LINKS:
        said = {"baudrate": link.baudrate, "bytesize": link.bytesize, "parity": link.parity}
        assert DRIVER.link(config(protocol=link.protocol, **said)) == link


def test_the_configuration_is_frozen() -> None:
    with pytest.raises(AttributeError):
        config().name = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(config(), name="other").name == "other"
