"""The driver: configuration, links, timeouts, and what is refused in a rig file."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from riglog.errors import ConfigError
from riglog.manager import resolve_device
from riglog.manager.port_utilisation import port_utilisation
from riglog.plugin import configure, installed
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedTransport
from riglog_sartorius import SartoriusConfig, SartoriusDriver
from riglog_sartorius.simulator.sbi import SbiBalance

DRIVER = SartoriusDriver()


def config(**keys: Any) -> SartoriusConfig:
    table = {"name": "balance", "driver": "sartorius", "port": "sim:", **keys}
    made = configure(DRIVER, table, "device[1]")
    assert isinstance(made, SartoriusConfig)
    return made


def test_the_link_of_sbi_does_not_depend_on_autoprint() -> None:
    polled, autoprint = DRIVER.link(config(protocol="sbi")), DRIVER.link(config(protocol="sbi", autoprint=True))
    assert polled == autoprint
    assert (polled.baudrate, polled.bytesize, polled.parity, polled.stopbits) == (9600, 8, "O", 1)
    assert DRIVER.link(config(protocol="xbpi")) != polled


def test_serial_settings_of_old_balances_can_be_configured() -> None:
    link = DRIVER.link(config(baudrate=1200, bytesize=7, rtscts=True))
    assert (link.protocol, link.baudrate, link.bytesize, link.parity, link.rtscts) == ("sbi", 1200, 7, "O", True)


@pytest.mark.parametrize(("baudrate", "least"), [(600, 3.0), (1200, 1.5), (9600, 1.0), (19200, 1.0)])
def test_slow_lines_get_more_time(baudrate: int, least: float) -> None:
    link = DRIVER.link(config(protocol="xbpi", baudrate=baudrate))
    client = DRIVER.connect(Connection(SimulatedTransport(FaultyWire(SbiBalance())), link))
    assert least <= client.timeout < least + 0.2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"protocol": "sbi-autoprint"}, "protocol"),
        ({"protocol": "xbpi", "parameters": ["netto"]}, "netto"),
        ({"protocol": "sbi", "parameters": ["tare"]}, "tare"),
        ({"protocol": "xbpi", "parameters": ["net", "net"]}, "duplicate entry"),
        ({"protocol": "xbpi", "autoprint": True}, "autoprint is not available"),
        ({"protocol": "xbpi", "bytesize": 7}, "8 data bits"),
        ({"protocol": "xbpi", "address": 256}, "address"),
        ({"protocol": "xbpi", "sensors": [4]}, "sensors"),
        ({"autoprnt": True}, "unknown key"),
    ],
)
def test_an_invalid_configuration_is_refused_with_a_hint(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config(**keys)
    by_type = caught.value.message.startswith("device[1]")  # refused by the core, which names the valid range
    assert by_type or caught.value.hint


def test_channels_are_declared_before_anything_is_sent(new_bench: Callable[..., Any]) -> None:
    bench = new_bench(protocol="xbpi", parameters=["net", "temperature"], sensors=[0, 3])
    channels = bench.balance.channels
    assert [(channel.parameter, channel.instance, channel.unit, channel.address) for channel in channels] == [
        ("net", 1, None, 9),
        ("temperature", 0, "degC", 9),
        ("temperature", 3, "degC", 9),
    ]
    assert [channel.parameter_id for channel in channels] == [0x1E, 0x76, 0x76]
    assert {type(channel.parameter) for channel in channels} == {str}
    assert DRIVER.address(bench.config) is None  # replies carry no address: a balance needs the port for itself
    assert bench.transport.sent == 0
    (net,) = new_bench(protocol="sbi").balance.channels
    assert (net.parameter, net.parameter_id, net.address) == ("net", None, None)


def test_more_polling_than_a_slow_line_can_carry_is_refused() -> None:
    table = {"name": "b", "driver": "sartorius", "port": "/dev/ttyUSB0", "protocol": "xbpi", "rate_hz": 10}
    fast, slow = (resolve_device(installed(), table | {"baudrate": baudrate}) for baudrate in (19200, 1200))
    (use,) = port_utilisation([fast], 1.0)
    assert use.share == pytest.approx(10 * (28 * 11 / 19200 + 0.005 + 0.003))
    (use,) = port_utilisation([slow], 1.0)
    with pytest.raises(ConfigError, match="exceeds the capacity"):
        use.refuse_impossible()


def test_settings_of_a_found_balance_are_a_configuration() -> None:
    from riglog_sartorius.probe import LINKS

    for link in LINKS:
        settings = {"baudrate": link.baudrate, "bytesize": link.bytesize, "parity": link.parity}
        assert DRIVER.link(config(protocol=link.protocol, **settings)) == link


def test_the_configuration_is_frozen() -> None:
    with pytest.raises(AttributeError):
        config().name = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(config(), name="other").name == "other"


def test_the_names_that_people_use_are_those_of_the_channels() -> None:
    made = config(protocol="xbpi", parameters=["net_weight", "tare_value", "GROSS"])
    assert made.quantities == ("net", "tare", "gross")
    assert DRIVER.canonical_name(made, "baudrate") == "baud_rate"
    with pytest.raises(ConfigError, match="duplicate"):
        config(parameters=["net", "net_weight"])


def test_a_weight_without_its_label_is_refused_and_all_mistakes_are_named() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        config(parameters=["weight", "nett"])
    hints = [str(error.hint) for error in caught.value.exceptions if isinstance(error, ConfigError)]
    assert [hint.split("?")[0] for hint in hints] == ["Use net or gross", "Did you mean 'net'"]
