"""What a subclass of the kit says about its driver, and what the checks need to ask of it."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest

from riglog.plugin import AnyDriver, DeviceConfig, Driver, configure
from riglog.simulation import Fault, Simulator
from riglog.testing.conformance.bench import Bench, table_of
from riglog.testing.virtual_time import virtual_backend


class Subject:
    """The driver that is tested, and what the kit cannot know of it.

    Attributes:
        driver: the driver, an object as the hook returns it.
        options: keys of the ``[[device]]`` table, without name, driver and port.
        second: keys of a second device on the same port; None: the next address.
        writes: parameters that can be written, with a valid value each as a user types it. It must differ from what
            the simulator has.
        undetectable: faults that the protocol cannot detect, with the reason; the README must name each of them.
        useful: share of the samples that must have a value under each fault. Less only where the wire has one form of
            reply, so that a late one must be waited for; the README must say so.
        installed: False: a driver that no distribution brings, such as one in a test; registration is not checked.
    """

    driver: AnyDriver[Any]
    options: ClassVar[Mapping[str, Any]] = {}
    second: ClassVar[Mapping[str, Any] | None] = None
    writes: ClassVar[Mapping[str, str]] = {}
    undetectable: ClassVar[Mapping[Fault, str]] = {}
    useful: ClassVar[float] = 0.25
    installed: ClassVar[bool] = True

    def instrument(self, config: Any) -> Simulator:
        """Return the simulated instrument of a configuration; one that knows the truth, if there is one."""
        driver = self.driver
        assert isinstance(driver, Driver)
        return driver.simulator(config)

    def transcripts(self) -> Sequence[Path]:
        """Return the transcripts of real sessions: default: those in the folder ``evidence`` of the package."""
        spec = find_spec(type(self.driver).__module__.partition(".")[0])
        folder = Path(spec.origin).parent / "evidence" if spec is not None and spec.origin else None
        return sorted(folder.glob("*.json")) if folder is not None else []

    def other_instrument(self, config: Any) -> Simulator | None:
        """Return another instrument of the same kind with another identity; None: there is none."""
        return None

    @pytest.fixture(params=["asyncio", pytest.param("trio", marks=pytest.mark.slow)])
    def anyio_backend(self, request: pytest.FixtureRequest) -> object:
        """Both event loops, in virtual time; without a port in real time, because its library needs threads."""
        pytest.importorskip(request.param)
        return virtual_backend(request.param) if isinstance(self.driver, Driver) else (request.param, {})

    # --- for the checks

    def config(self, **keys: Any) -> Any:
        """Return the configuration of the device with some keys changed."""
        return configure(self.driver, table_of(self, 0, keys), "device")

    def bench(self, *tables: Mapping[str, Any], **how: Any) -> Bench:
        """Return a bench; ``async with`` opens it."""
        return Bench(self, *tables, **how)

    def port_driver(self) -> Driver[Any, Any]:
        """Return the driver if it is one with a port; skip the check otherwise."""
        if not isinstance(self.driver, Driver):
            pytest.skip("a driver without a port")
        return self.driver

    def host_paced(self, bench: Bench) -> None:
        """Skip the check for a device that sets its own pace."""
        if bench.paced_by_device:
            pytest.skip("the device sets the pace: nothing is requested")

    def own_keys(self) -> list[str]:
        """Return the keys that the driver adds to those of every device."""
        common = {*DeviceConfig.__struct_fields__}
        return [name for name in self.driver.config.__struct_fields__ if name not in common]
