"""The conformance kit, for every protocol."""

from typing import Any

from vendor_kit import VendorConformance, installed_driver

from riglog.simulation import Fault, Simulator


class SartoriusConformance(VendorConformance):
    driver = installed_driver("sartorius")


class TestXbpi(SartoriusConformance):
    options = {"protocol": "xbpi", "parameters": ["net", "tare"]}


class TestSbi(SartoriusConformance):
    options = {"protocol": "sbi"}
    undetectable = {Fault.CORRUPT: "a line has no checksum: only parity tells a digit that changed"}


class TestAutoprint(SartoriusConformance):
    """It is only listened to: nothing tells which balance prints."""

    options = {"protocol": "sbi", "autoprint": True, "timeout": 1.5}
    undetectable = {Fault.CORRUPT: "a line has no checksum: only parity tells a digit that changed"}

    def other_instrument(self, config: Any) -> Simulator | None:
        return None
