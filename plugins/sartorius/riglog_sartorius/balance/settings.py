"""Settings: the parameter table and its storage in the balance. Source: section 3.11."""

from msgspec import Struct, structs

from riglog.device import Safety
from riglog.errors import ConfigError, DeviceError
from riglog.model import Sample, Stamp
from riglog_sartorius.balance.part import Part
from riglog_sartorius.parameters import parameter
from riglog_sartorius.xbpi.items import u8


class ParameterValue(Struct, frozen=True):
    """``label`` is None for a code nobody has explained; ``highest`` is the balance's own bound."""

    index: int
    name: str
    value: int
    label: str | None
    highest: int
    stamp: Stamp


class Settings(Part):
    """xBPI only. Names are those of ``riglog_sartorius.parameters``: filter_mode, display_unit, auto_zero, isocal …"""

    async def read_parameter(self, which: str | int) -> ParameterValue:
        """One parameter, by name or index.

        Raises:
            ConfigError: no such name.
            IndexOutOfRangeError, ValueOutOfRangeError: this balance has no such index.
        """
        known = parameter(which)
        with self._here():
            frame, stamp = await self._dialect.query(0x55, u8(known.index))
        value, highest = (item.number for item in frame.items)
        return ParameterValue(known.index, known.name, value, known.labels.get(value), highest, stamp)

    async def write_parameter(self, which: str | int, value: int | str, *, confirm: bool = False) -> ParameterValue:
        """Write one parameter and read it back. PERSISTENT, DANGEROUS where it may cost the connection.

        It takes effect at once and lasts until power-off; ``save_menu`` keeps it.

        Raises:
            ConfigError: no such name, label or code; nothing was sent.
            DeviceError: the balance acknowledged, and says another value.
        """
        known = parameter(which)
        code = known.code_of(value)
        self._confirmed(known.safety, f"write_parameter {known.name}", confirm)
        what = f"{known.name} = {known.labels.get(code, code)}"
        await self._change(what, self._dialect.query(0x56, u8(known.index, code)))
        written = await self.read_parameter(known.index)
        if written.value != code:
            raise DeviceError(f"{known.name} was written {code} and reads {written.value}", device=self.name)
        return written

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        if instance != 1:
            raise ConfigError(f"{name} has no instances", device=self.name)
        written = await self.write_parameter(name, value, confirm=confirm)
        channel = structs.replace(self.channels[0], parameter=written.name, parameter_id=written.index, unit=None)
        return Sample(channel=channel, stamp=written.stamp, value=written.value, unit=None, text=written.label)

    async def set_filter_mode(self, mode: int | str, *, confirm: bool = False) -> None:
        """Switch the filter, 1 very_stable to 4 very_unstable; over SBI too. PERSISTENT."""
        code = parameter("filter_mode").code_of(mode)
        self._confirmed(Safety.PERSISTENT, "set_filter_mode", confirm)
        await self._change(f"filter_mode = {parameter('filter_mode').labels[code]}", self._dialect.set_filter(code))

    async def save_menu(self, *, confirm: bool = False) -> None:
        """Keep the parameters as they are over power-off. PERSISTENT, wears the EEPROM."""
        self._confirmed(Safety.PERSISTENT, "save_menu", confirm)
        await self._change("save_menu", self._dialect.query(0x47))

    async def reload_menu(self, *, confirm: bool = False) -> None:
        """Take the parameters from the EEPROM again; what was not saved is gone. PERSISTENT."""
        self._confirmed(Safety.PERSISTENT, "reload_menu", confirm)
        await self._change("reload_menu", self._dialect.query(0x46))
