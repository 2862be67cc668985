"""The conformance kit, for instrument files: nothing is written for an instrument but its file."""

from pathlib import Path

import pytest
from vendor_kit import installed_driver

from riglog.simulation import Fault
from riglog.testing import DriverConformance

EVERY_PROTOCOL = str(Path(__file__).parent / "instruments" / "watlow-series-sd.toml")


class TestEnergyMeter(DriverConformance):
    driver = installed_driver("modbus")
    options = {"instrument": "eastron-sdm630"}


class TestController(DriverConformance):
    driver = installed_driver("modbus")
    options = {"instrument": "eurotherm-3200"}
    writes = {"target_setpoint": "75.5"}


@pytest.mark.slow
class TestModbusAscii(DriverConformance):
    driver = installed_driver("modbus")
    options = {"instrument": EVERY_PROTOCOL, "protocol": "modbus-ascii", "address": 247, "retries": 1}


@pytest.mark.slow
class TestModbusTcp(DriverConformance):
    driver = installed_driver("modbus")
    undetectable = {Fault.CORRUPT: "TCP itself detects wrong bits, and Modbus adds no check of its own"}
    options = {"instrument": EVERY_PROTOCOL, "protocol": "modbus-tcp"}
