"""All operations of a balance other than weighing: identity, metrology, parameters, adjustment, raw commands.

Source: sections 3.6, 3.10, 3.11, 4.2, 7.
"""

from msgspec import Struct

from riglog.device import Safety
from riglog.errors import ConfigError, DeviceError
from riglog.model import ParameterWrite, Sample, Stamp
from riglog_sartorius.base import BalanceBase
from riglog_sartorius.identity import Identity
from riglog_sartorius.parameters import parameter
from riglog_sartorius.samples import Amount, CalRecord


class ParameterValue(Struct, frozen=True):
    """``label`` is None for an undocumented code; ``highest`` is the highest code that this balance has."""

    index: int
    name: str
    value: int
    label: str | None
    highest: int
    stamp: Stamp


class Service(BalanceBase):
    """The operations other than weighing. Parameters, metrology and the adjustment record are available over xBPI only.

    Parameters have the names of ``riglog_sartorius.parameters``: filter_mode, display_unit, auto_zero, isocal …
    """

    async def identify(self) -> Identity:
        """Read model, serial number and software version; None for what the balance does not report."""
        return await self._perform(self._protocol.identify)

    async def capacity(self, area: int = 0) -> Amount:
        """Read the maximum load of a weighing area, in the unit of the display."""
        return await self._perform(lambda line: self._protocol.capacity(line, area))

    async def increment(self, area: int = 0) -> Amount:
        """Read the present smallest step of the display, in its unit."""
        return await self._perform(lambda line: self._protocol.increment(line, area))

    async def temperature(self, sensor: int = 0) -> Amount:
        """Read a temperature in degC; its value is None if the sensor is not fitted.

        Raises:
            IndexOutOfRangeError, ValueOutOfRangeError: the balance does not have a sensor with this number.
        """
        return await self._perform(lambda line: self._protocol.temperature(line, sensor))

    async def last_cal_record(self) -> CalRecord:
        """Read the record of the last adjustment; the balance loses it at power-off."""
        return await self._perform(self._protocol.last_cal_record)

    async def read_parameter(self, which: str | int) -> ParameterValue:
        """Read one parameter, by name or index.

        Raises:
            ConfigError: an unknown name.
            IndexOutOfRangeError, ValueOutOfRangeError: this balance does not have the parameter.
        """
        known = parameter(which)
        read = await self._perform(lambda line: self._protocol.read_parameter(line, known.index))
        return ParameterValue(known.index, known.name, read.code, known.labels.get(read.code), read.highest, read.stamp)

    async def write_parameter(self, which: str | int, value: int | str, *, confirm: bool = False) -> ParameterValue:
        """Write one parameter and read it back. PERSISTENT; DANGEROUS if it can interrupt the connection.

        It takes effect at once and lasts until power-off; ``save_menu`` makes it permanent.

        Raises:
            ConfigError: an unknown name, label or code; nothing was sent.
            DeviceError: the balance acknowledged, but another value was read back.
        """
        known = parameter(which)
        code = known.code_of(value)
        self.confirm_change(known.safety, f"write_parameter {known.name}", confirm)
        before = await self.read_parameter(known.index)
        write = ParameterWrite(
            parameter=known.name,
            old_value=before.value if before.label is None else before.label,
            new_value=known.labels.get(code, code),
        )
        await self._change(
            known.safety,
            f"write_parameter {known.name}",
            confirm,
            lambda line: self._protocol.write_parameter(line, known.index, code),
            what=f"{known.name} = {known.labels.get(code, code)}",
            write=write,
        )
        written = await self.read_parameter(known.index)
        if written.value != code:
            raise DeviceError(
                f"{known.name}: read back {written.value} after writing {code}",
                hint="Read the parameter again: the balance refused the value, or it was changed at the panel",
                device=self.name,
            )
        return written

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        if instance != 1:
            raise ConfigError(f"{name}: instance must be 1", device=self.name)
        written = await self.write_parameter(name, value, confirm=confirm)
        channel = self.context.channel(written.name, parameter_id=written.index)
        return Sample(channel=channel, stamp=written.stamp, value=written.value, unit=None, text=written.label)

    async def set_filter_mode(self, mode: int | str, *, confirm: bool = False) -> None:
        """Select the filter, 1 (very_stable) to 4 (very_unstable); also over SBI. PERSISTENT."""
        known = parameter("filter_mode")
        code = known.code_of(mode)
        await self._change(
            Safety.PERSISTENT,
            "set_filter_mode",
            confirm,
            lambda line: self._protocol.set_filter(line, code),
            what=f"filter_mode = {known.labels[code]}",
            write=ParameterWrite(parameter="filter_mode", new_value=known.labels[code]),
        )

    async def save_menu(self, *, confirm: bool = False) -> None:
        """Store the parameters in the EEPROM, so that they are kept at power-off. PERSISTENT; wears the EEPROM."""
        await self._change(Safety.PERSISTENT, "save_menu", confirm, self._protocol.save_menu)

    async def reload_menu(self, *, confirm: bool = False) -> None:
        """Load the parameters from the EEPROM; changes that were not saved are lost. PERSISTENT."""
        await self._change(Safety.PERSISTENT, "reload_menu", confirm, self._protocol.reload_menu)

    async def internal_adjust(self, *, confirm: bool = False) -> None:
        """Start the adjustment with the built-in weight. DANGEROUS: moves the weight and changes the scale factor.

        Returns when the adjustment has started. Until it is finished there are status lines or off-scale readings.

        Raises:
            NotApplicableError: the present state of the balance does not allow it (xBPI).
        """
        await self._change(Safety.DANGEROUS, "internal_adjust", confirm, self._protocol.adjust)

    async def raw(self, command: int | str, args: bytes = b"", *, confirm: bool = False) -> bytes | None:
        """Send a command as in the manual: an xBPI opcode with argument bytes, or an SBI token without ESC.

        Its tier is that of the command; an undocumented command is DANGEROUS.

        Returns:
            The reply as received, frame or line; None for SBI commands without a reply.
        """
        tier, shown = self._protocol.safety_of(command, args)
        if tier is Safety.READ_ONLY:
            return await self._perform(lambda line: self._protocol.raw(line, command, args))
        return await self._change(tier, f"raw {shown}", confirm, lambda line: self._protocol.raw(line, command, args))
