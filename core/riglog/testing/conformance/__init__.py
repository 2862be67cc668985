"""The conformance kit: what every driver must do, as tests that a plugin inherits.

A subclass names the driver, and pytest runs all checks::

    from riglog.testing import DriverConformance

    class TestGauge(DriverConformance):
        driver = GaugeDriver()
        options = {"address": 7}
"""

from riglog.testing.conformance.kit import DriverConformance

__all__ = ["DriverConformance"]
