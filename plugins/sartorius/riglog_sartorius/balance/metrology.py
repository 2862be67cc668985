"""What balance it is: identity, capacity, increment, temperatures, last adjustment. Source: 3.6, 3.10, 3.11.3."""

import struct

from msgspec import Struct

from riglog.errors import DeviceError
from riglog.model import Stamp
from riglog.model.units import DEG_C
from riglog_sartorius.balance.part import Amount, Part
from riglog_sartorius.identity import Identity
from riglog_sartorius.units import DISPLAY_UNITS
from riglog_sartorius.xbpi.items import u8
from riglog_sartorius.xbpi.numbers import decode_float40

NO_ONE_UNIT = ("user", "lb+oz")


class CalRecord(Struct, frozen=True):
    """The last adjustment since power-on. ``temperature_c`` None: there was none."""

    temperature_c: float | None
    signature: bytes
    counters: tuple[int, int, int]
    stamp: Stamp

    @property
    def has_metadata(self) -> bool:
        return any(self.signature) or any(self.counters)


def parse_cal_record(data: bytes, stamp: Stamp) -> CalRecord:
    """17 bytes: temperature, kind of adjustment, three counters."""
    (temperature,) = struct.unpack(">f", data[:4])
    return CalRecord(temperature if any(data[:4]) else None, data[4:13], (data[13], data[14], data[15]), stamp)


class Metrology(Part):
    """All of it only reads."""

    async def identify(self) -> Identity:
        """Model, serial number, software; None for what the balance does not tell."""
        with self._here():
            return await self._dialect.identify()

    async def capacity(self, area: int = 0) -> Amount:
        """Maximum load of a weighing area, in the unit the balance shows; xBPI only."""
        return await self._in_display_unit(0x0C, area)

    async def increment(self, area: int = 0) -> Amount:
        """The smallest step of the display now, in its unit; xBPI only."""
        return await self._in_display_unit(0x0D, area)

    async def temperature(self, sensor: int = 0) -> Amount:
        """A temperature in degC, None if the sensor is not fitted; xBPI only.

        Raises:
            IndexOutOfRangeError, ValueOutOfRangeError: the balance has no sensor of that number.
        """
        with self._here():
            frame, stamp = await self._dialect.query(0x76, u8(sensor))
        return Amount(decode_float40(frame.items[0].data), DEG_C, stamp)

    async def last_cal_record(self) -> CalRecord:
        """The record of the last adjustment, lost at power-off; xBPI only."""
        with self._here():
            frame, stamp = await self._dialect.query(0xB9)
        return parse_cal_record(frame.items[0].data, stamp)

    async def _in_display_unit(self, opcode: int, area: int) -> Amount:
        """The reply names no unit: it is the one of the display, which is asked for before and after."""
        with self._here():
            before = await self._display_unit()
            frame, stamp = await self._dialect.query(opcode, u8(area))
            unit = before if before == await self._display_unit() else None
        return Amount(decode_float40(frame.items[0].data), unit, stamp)

    async def _display_unit(self) -> str | None:
        try:
            frame, _ = await self._dialect.query(0x55, u8(7))
        except DeviceError:
            return None
        unit = DISPLAY_UNITS.get(frame.items[0].number)
        return None if unit in NO_ONE_UNIT else unit
