"""Balances on simulated ports, in virtual time."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from riglog.testing import LoopClock
from riglog.transport import SimulatedTransport, Simulator, Wire
from riglog_sartorius.balance import Balance
from riglog_sartorius.config import SartoriusConfig
from riglog_sartorius.driver import SartoriusDriver


class Bench:
    """A driver, a client and a balance on the far end given."""

    def __init__(
        self, simulator: Simulator | None = None, *, wire: dict[str, Any] | None = None, **config: Any
    ) -> None:
        said = {"name": "balance", "driver": "sartorius", "port": "sim:", **config}
        self.config = msgspec.convert(said, SartoriusConfig)
        self.driver = SartoriusDriver()
        self.driver.check(self.config)
        self.simulator = simulator or self.driver.simulator(self.config)
        self.transport = SimulatedTransport(Wire(self.simulator, **(wire or {})))
        self.client = self.driver.connect(self.driver.link(self.config), self.transport)
        self.client.clock = LoopClock()
        device = self.driver.device(self.config, self.client)
        assert isinstance(device, Balance)
        self.balance = device


@pytest.fixture
def bench() -> Callable[..., Bench]:
    return Bench
