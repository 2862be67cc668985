"""One control loop of a controller: what is measured, what is wanted, and how it is controlled."""

from typing import TYPE_CHECKING

from riglog.errors import ConfigError, UnsupportedError
from riglog.model import Sample

if TYPE_CHECKING:
    from riglog_watlow.controller import Controller


class Loop:
    """Borrows the controller; sends nothing by itself."""

    def __init__(self, controller: "Controller", number: int) -> None:
        self.controller = controller
        self.number = number
        self._pid = controller.facts.pid

    async def read_pv(self) -> Sample:
        """The process value; without a value while the sensor is at fault."""
        return await self.controller.read_parameter("process_value", self.number)

    async def read_setpoint(self) -> Sample:
        return await self.controller.read_parameter("setpoint", self.number)

    async def set_setpoint(self, value: float, *, confirm: bool = False) -> Sample | None:
        """Write the set point, in the unit that ``read_setpoint`` publishes. Raises as ``write_parameter``."""
        return await self.controller.write_parameter("setpoint", value, self.number, confirm=confirm)

    async def read_output(self) -> Sample:
        """The output power; on units that do not tell it, their heat power."""
        try:
            return await self.controller.read_parameter("output_power", self.number)
        except UnsupportedError:
            if "heat_power" not in self.controller.registry:
                raise
            return await self.controller.read_parameter("heat_power", self.number)

    async def read_pid(self) -> dict[str, Sample]:
        """The PID terms by name: ``proportional_band``, ``integral``, ``derivative`` and what else the unit has."""
        terms = {}
        for term, parameter in self._pid.items():
            try:
                terms[term] = await self.controller.read_parameter(parameter, self.number)
            except UnsupportedError:
                continue
        return terms

    async def write_pid(self, *, confirm: bool = False, **terms: float) -> dict[str, Sample | None]:
        """Write PID terms by the names of ``read_pid``, one after the other. Raises as ``write_parameter``.

        Raises:
            ConfigError: no such term; nothing was written.
        """
        if unknown := set(terms) - set(self._pid):
            raise ConfigError(f"no PID term called {', '.join(sorted(unknown))}", hint=f"terms: {', '.join(self._pid)}")
        return {
            term: await self.controller.write_parameter(self._pid[term], value, self.number, confirm=confirm)
            for term, value in terms.items()
        }
