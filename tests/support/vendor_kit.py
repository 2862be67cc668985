"""The conformance kit for the vendors of this repository: their simulators with a truth for every channel."""

import random
from typing import Any

import pytest
from msgspec import structs
from rig_years.instruments import instrument

from riglog.plugin import Driver, installed
from riglog.simulation import Simulator
from riglog.testing import DriverConformance


class VendorConformance(DriverConformance):
    """A driver whose simulator follows a known course."""

    def test_mypy_finds_nothing(self) -> None:
        pytest.skip("mypy runs once for the whole repository")

    def instrument(self, config: Any) -> Simulator:
        return instrument(table_of(config), random.Random(str(config.name)))

    def other_instrument(self, config: Any) -> Simulator | None:
        return instrument(table_of(config), random.Random("another"), stranger=True)


def table_of(config: Any) -> dict[str, Any]:
    return {name: value for name, value in structs.asdict(config).items() if name != "port"}


def installed_driver(name: str) -> Driver[Any, Any]:
    driver = installed().driver(name)
    assert isinstance(driver, Driver)
    return driver
