"""The budget of a line, before anything is opened."""

from collections.abc import Sequence

import pytest
from toy import ToyConfig, ToyDriver

from riglog.errors import ConfigError
from riglog.manager import port_utilisation, resolve_device
from riglog.plugin import Registry
from riglog.protocol import TransactionCost


class Weighed(ToyDriver):
    """Every poll is 96 characters at 9600 baud, 8N1: 0.1 s."""

    def transactions(self, config: ToyConfig) -> Sequence[TransactionCost]:
        return [TransactionCost(16, 32), TransactionCost(16, 32)]


def use(registry: Registry, port: str, rate_hz: float, *rates: float | None) -> float | None:
    registry.drivers["toy"] = Weighed()
    tables = [
        {"name": f"d{number}", "driver": "toy", "port": port, "address": number + 1, "rate_hz": rate}
        for number, rate in enumerate(rates)
    ]
    (found,) = port_utilisation([resolve_device(registry, table) for table in tables], rate_hz)
    return found.share


def test_what_the_devices_of_a_port_ask_for_adds_up_each_at_its_rate(registry: Registry) -> None:
    assert use(registry, "/dev/ttyUSB0", 2.0, None) == pytest.approx(0.2)
    assert use(registry, "/dev/ttyUSB0", 2.0, None, 5.0) == pytest.approx(0.7)


@pytest.mark.parametrize("port", ["tcp://server:4001", "sim:bus", "/dev/pts/7"])
def test_where_there_is_no_wire_characters_cost_nothing(registry: Registry, port: str) -> None:
    assert use(registry, port, 1000.0, None) == 0.0


def test_more_than_the_line_can_carry_is_refused_and_nearly_all_is_tight(registry: Registry) -> None:
    registry.drivers["toy"] = Weighed()
    device = resolve_device(registry, {"name": "d", "driver": "toy", "port": "/dev/ttyUSB0"})
    (tight,) = port_utilisation([device], 9.0)
    assert tight.tight
    tight.refuse_impossible()
    (impossible,) = port_utilisation([device], 11.0)
    with pytest.raises(ConfigError, match=r"110% exceeds the capacity of the port .devices: d"):
        impossible.refuse_impossible()


def test_a_driver_that_does_not_know_its_frames_is_neither_refused_nor_praised(registry: Registry) -> None:
    (unknown,) = port_utilisation(
        [resolve_device(registry, {"name": "d", "driver": "toy", "port": "/dev/ttyUSB0"})], 1e4
    )
    assert unknown.share is None
    assert not unknown.tight
