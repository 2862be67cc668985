"""Modbus frames on a line: registers become the quantities of the instrument file. Pure."""

from collections.abc import Iterator, Sequence

from riglog.device import DeviceContext
from riglog.device.modbus_reader import ModbusReader
from riglog.instrument import Description, Reading
from riglog.instrument.tapped import TappedValues
from riglog.model import Sample, Stamp
from riglog.transport import Link
from riglog_modbus.config import ModbusConfig
from riglog_modbus.description import ModbusFormat
from riglog_modbus.samples import Register, decode

TIMEOUT = 1.0


class InstrumentReader(ModbusReader):
    """Reads registers of an instrument; those of other units are rows of single registers."""

    def __init__(
        self,
        config: ModbusConfig,
        link: Link,
        context: DeviceContext,
        description: Description[Register],
        selected: Sequence[str],
    ) -> None:
        super().__init__(link, context, config.address, TIMEOUT)
        self._quantities = description.quantities
        self._values = TappedValues(ModbusFormat(), description, selected, has_check=True)

    def values(
        self, context: DeviceContext, function: int, first: int, content: Sequence[int], stamp: Stamp
    ) -> Iterator[Sample]:
        if context.address != self.unit:
            yield from super().values(context, function, first, content, stamp)
            return
        readings = {}
        for name, register in self._quantities.items():
            at = register.start - first
            if register.function == function and at >= 0 and at + register.size <= len(content):
                readings[name] = Reading(decode(register, content[at : at + register.size]), stamp)
        yield from self._values.samples(context, readings)
