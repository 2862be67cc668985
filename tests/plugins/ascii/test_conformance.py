"""The conformance kit, for instrument files: nothing is written for an instrument but its file."""

import pytest
from vendor_kit import installed_driver

from riglog.errors import ReplyTimeoutError
from riglog.simulation import Fault
from riglog.testing import DriverConformance


class LineConformance(DriverConformance):
    driver = installed_driver("ascii")
    undetectable = {Fault.CORRUPT: "lines have no checksum"}

    @pytest.mark.xfail(
        reason="if the resync request is cancelled too, the next request waits until no late reply can arrive",
        raises=ReplyTimeoutError,
        strict=True,
    )
    async def test_opening_can_be_cancelled_at_every_await(self) -> None:
        await super().test_opening_can_be_cancelled_at_every_await()


class TestBalance(LineConformance):
    options = {"instrument": "mettler-mt-sics", "late_reply_limit": 2.0}


@pytest.mark.slow
class TestController(LineConformance):
    @pytest.mark.xfail(
        reason="a reply is late while that of a later request is lost: this wire needs strict = true",
        raises=AssertionError,
        strict=False,
    )
    @pytest.mark.parametrize("seed", [1, 2])
    async def test_all_faults_together_give_no_wrong_value(self, seed: int) -> None:
        await super().test_all_faults_together_give_no_wrong_value(seed)

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_on_a_strict_port_all_faults_together_give_no_wrong_value(self, seed: int) -> None:
        self.options = {**type(self).options, "strict": True}
        await super().test_all_faults_together_give_no_wrong_value(seed)

    options = {"instrument": "lakeshore-331", "late_reply_limit": 2.0}
    useful = 0.15  # one form of reply: after a late one, the line waits
    undetectable = {
        Fault.CORRUPT: "lines have no checksum",
        Fault.GARBAGE: "a reply is a number alone: a sign in front of it belongs to it",
    }
    writes = {"setpoint": "77.35"}
