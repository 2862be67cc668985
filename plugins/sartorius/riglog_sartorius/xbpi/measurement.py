"""A weight and the status of the balance as xBPI packs them: both type 48, both 8 bytes. Source: sections 3.7, 3.8."""

from msgspec import Struct

from riglog_sartorius.units import unit_of_id
from riglog_sartorius.xbpi.numbers import decode_float40

SIGNS = {0x00: "zero", 0x40: "positive", 0x80: "negative"}


class Measurement(Struct, frozen=True):
    """``value`` is None off scale, whatever the reason: overload and underload look the same here."""

    value: float | None
    decimals: int
    unit: str | None
    unit_id: int
    sign: str | None
    stable: bool
    flags: int

    @property
    def off_scale(self) -> bool:
        return self.value is None


class StatusBlock(Struct, frozen=True):
    """State of the balance. None means that this kind of balance does not tell."""

    aux: int
    state: int
    status: int
    sequence: int
    stable: bool
    overload: bool | None
    underload: bool | None
    adc_trusted: bool | None
    isocal_due: bool | None


def parse_measurement(data: bytes) -> Measurement:
    """Decode all 40 bits, then round to the decimals of the frame: the balance cuts off, it does not round."""
    value = decode_float40(data[:5])
    decimals, unit_id = data[5] >> 4, data[6] & 0x3F
    return Measurement(
        value=None if value is None else round(value, decimals) + 0.0,
        decimals=decimals,
        unit=unit_of_id(unit_id),
        unit_id=unit_id,
        sign=SIGNS.get(data[6] & 0xC0),
        stable=bool(data[7] & 0x40),
        flags=data[7],
    )


def is_status_block(data: bytes) -> bool:
    """Registers 31 and 33 are constants inside the block; no measurement ever seen looks like it."""
    return data[1:3] == b"\x00\x81" and data[5:7] == b"\x10\x00"


def parse_status_block(data: bytes) -> StatusBlock:
    """The overload, converter and isoCAL bits mean something only on balances that set bit 7 of the state."""
    state, status = data[3], data[4]
    tells = bool(state & 0x80)
    return StatusBlock(
        aux=data[0],
        state=state,
        status=status,
        sequence=data[7],
        stable=bool(state & 0x08),
        overload=state == 0x82 if tells else None,
        underload=state == 0x84 if tells else None,
        adc_trusted=bool(status & 0x08) if tells else None,
        isocal_due=bool(status & 0x10) if tells else None,
    )
