"""The conformance kit, for every protocol."""

import pytest
from vendor_kit import VendorConformance, installed_driver


class ServomexConformance(VendorConformance):
    driver = installed_driver("servomex")


class TestModbusRtu(ServomexConformance):
    options = {"protocol": "modbus-rtu", "address": 30}


@pytest.mark.slow
class TestModbusAscii(ServomexConformance):
    options = {"protocol": "modbus-ascii", "address": 30}


class TestContinuous(ServomexConformance):
    options = {"protocol": "continuous", "period": 2.0}
