"""The conformance kit, for instrument files: nothing is written for an instrument but its file."""

import pytest
from vendor_kit import installed_driver

from riglog.testing import DriverConformance


class TestEnergyMeter(DriverConformance):
    driver = installed_driver("modbus")
    options = {"instrument": "eastron-sdm630"}


class TestController(DriverConformance):
    driver = installed_driver("modbus")
    options = {"instrument": "eurotherm-3200"}
    writes = {"target_setpoint": "75.5"}


@pytest.mark.slow
class TestAnotherAddress(DriverConformance):
    driver = installed_driver("modbus")
    options = {"instrument": "eurotherm-3200", "protocol": "modbus-rtu", "address": 247, "retries": 1}
