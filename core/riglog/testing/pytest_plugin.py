"""The plugin of pytest that comes with riglog: fixtures, and results of the kit. Only pytest loads it."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from riglog.manager import Manager
    from riglog.testing.virtual_time import LoopClock

pytest.register_assert_rewrite("riglog.testing.conformance")

PROPERTY = "riglog conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("riglog")
    group.addoption("--riglog-results", metavar="FILE", help="Write the results of the conformance kit to FILE.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a long check of riglog.testing; leave them out with -m 'not slow'")
    path = config.getoption("riglog_results")
    if path and not hasattr(config, "workerinput"):  # workers of xdist report to the main process
        config.pluginmanager.register(_Results(path), "riglog-results")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note with each check to which driver and protocol it belongs."""
    if not config.getoption("riglog_results"):
        return
    from riglog.testing.conformance.subject import Subject

    for item in items:
        subject = getattr(item, "cls", None)
        if isinstance(subject, type) and issubclass(subject, Subject) and isinstance(item, pytest.Function):
            driver = subject.driver
            protocol = str(subject.options.get("protocol") or next(iter(driver.protocols), "direct"))
            package = type(driver).__module__.partition(".")[0]
            item.user_properties.append((PROPERTY, [driver.name, package, protocol, item.function.__name__]))


class _Results:
    """Collects the outcomes of the kit, and writes them at the end."""

    def __init__(self, path: str) -> None:
        from riglog.testing.results import KitResults

        self.path = path
        self.results = KitResults()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown" or (report.when == "setup" and report.outcome == "passed"):
            return
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, list):
                driver, package, protocol, check = value
                self.results.add(driver, package, protocol, check, report.outcome)

    def pytest_sessionfinish(self) -> None:
        from riglog.testing.results import write_results

        write_results(self.path, self.results)


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
