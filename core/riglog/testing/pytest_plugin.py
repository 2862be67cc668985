"""The plugin of pytest that comes with riglog: fixtures for tests of drivers. Loaded by pytest, and by nothing else."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from riglog.manager import Manager
    from riglog.testing.virtual_time import LoopClock

pytest.register_assert_rewrite("riglog.testing.conformance")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a long check of riglog.testing; leave them out with -m 'not slow'")


@pytest.fixture
def riglog_clock() -> "LoopClock":
    """The clock of the event loop, which jumps if the test runs on ``virtual_backend``."""
    from riglog.testing.virtual_time import LoopClock

    return LoopClock()


@pytest.fixture
def riglog_rig(riglog_clock: "LoopClock") -> "Manager":
    """An empty rig with all installed drivers on that clock: ``async with riglog_rig as rig``."""
    from riglog.manager import Manager

    return Manager(clock=riglog_clock)
