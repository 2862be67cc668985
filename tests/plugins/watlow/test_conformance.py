"""The conformance kit, for every protocol and family."""

import pytest
from vendor_kit import VendorConformance, installed_driver

from riglog.simulation import Fault


class WatlowConformance(VendorConformance):
    driver = installed_driver("watlow")
    writes = {"integral_time": "42"}


class TestStandardBus(WatlowConformance):
    options = {"protocol": "stdbus", "address": 3}


class TestModbusRtu(WatlowConformance):
    options = {"protocol": "modbus-rtu", "address": 3}


@pytest.mark.slow
class TestModbusAscii(WatlowConformance):
    options = {"protocol": "modbus-ascii", "address": 3}


@pytest.mark.slow
class TestModbusTcp(WatlowConformance):
    undetectable = {Fault.CORRUPT: "TCP itself detects wrong bits, and Modbus adds no check of its own"}
    options = {"protocol": "modbus-tcp", "address": 3}
