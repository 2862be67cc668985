"""A balance over xBPI. Source: sections 3.5 to 3.12."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import ClassVar

from riglog.device import Safety, StatedFacts
from riglog.errors import ConfigError, DeviceError, ReplyTimeoutError, UnsupportedError
from riglog.model.units import DEG_C
from riglog.protocol import TimedReply, Transactor
from riglog_sartorius.config import Quantity
from riglog_sartorius.errors import (
    InvalidArgumentsError,
    UnknownOpcodeError,
    text_received_error,
    unproven_error,
    unproven_temperature_error,
)
from riglog_sartorius.identity import Identity
from riglog_sartorius.protocol import ParameterCode, SartoriusProtocol
from riglog_sartorius.samples import Amount, CalRecord, Reading, State
from riglog_sartorius.units import display_unit
from riglog_sartorius.xbpi import opcodes
from riglog_sartorius.xbpi.codec import TEXT, XbpiRequest
from riglog_sartorius.xbpi.frames import BALANCE, Frame, u8
from riglog_sartorius.xbpi.measurement import (
    decode_bcd,
    decode_float40,
    decode_text,
    is_status_block,
    parse_cal_record,
    parse_measurement,
    parse_status_block,
    weight_facts,
    weight_reading,
)
from riglog_sartorius.xbpi.opcodes import COMBINED, opcode

COLD_START_RETRIES = 2
"""Right after a USB port is opened the first bytes may be lost."""

MECHANICAL_TIMEOUT = 15.0
"""Seconds; a balance may wait for stability before it acknowledges tare or zero."""

INTERNAL_ADJUSTMENT = 0x78
DISPLAY_UNIT = 7
"""Index of the parameter."""

MAX_ARGS = 251

MAX_TEMPERATURE_JUMP = 1.0
"""Degrees Celsius between two readings of a sensor inside a balance, of which neither is damaged."""

REFUSALS = 2
"""Refusals in a row that prove it. One does not contain the command it belongs to: it may be a late one of another."""

HIRES = {
    Quantity.NET: opcodes.READ_NET_HIRES,
    Quantity.GROSS: opcodes.READ_GROSS_HIRES,
    Quantity.TARE: opcodes.READ_TARE_VALUE_HIRES,
}

XbpiLine = Transactor[XbpiRequest, Frame]


class XbpiProtocol(SartoriusProtocol):
    """A balance at a node number. A command that it has refused twice as unknown is refused here afterwards."""

    parameter_ids: ClassVar[Mapping[Quantity, int]] = {
        Quantity.NET: opcodes.READ_NET,
        Quantity.GROSS: opcodes.READ_GROSS,
        Quantity.TARE: opcodes.READ_TARE_VALUE,
        Quantity.TEMPERATURE: opcodes.READ_TEMPERATURE,
    }

    def __init__(self, *, node: int = BALANCE) -> None:
        self._node = node
        self._forget()

    def _forget(self) -> None:
        """Forget what was found out about the balance."""
        self._refusals: Counter[int] = Counter()
        self._combined_refused = False
        self._facts: defaultdict[tuple[Quantity, int], StatedFacts] = defaultdict(StatedFacts)
        self._temperatures: dict[int, float] = {}  # the last of each sensor

    async def handshake(self, line: XbpiLine) -> None:
        self._forget()
        for retries_left in reversed(range(COLD_START_RETRIES + 1)):
            try:
                await self._transact(line, opcodes.READ_MODEL)
            except ReplyTimeoutError as error:
                if error.reason == TEXT:
                    raise text_received_error(**error.context) from error
                if not retries_left:
                    if error.reason == "no_reply":
                        error.hint = (
                            "Check power, wiring, baud rate and node number; `riglog discover` tries the usual ones. "
                            'The factory setting is SBI: then set protocol = "sbi"'
                        )
                    raise
            else:
                return

    async def identify(self, line: XbpiLine) -> Identity:
        return Identity(
            model=await self._text(line, opcodes.READ_MODEL, decode_text),
            serial=await self.serial_number(line),
            software=await self._text(line, opcodes.READ_SOFTWARE_VERSION, lambda data: data[:3].hex("-")),
            manufacturer=await self._text(line, opcodes.READ_MANUFACTURER, decode_text),
        )

    async def serial_number(self, line: XbpiLine) -> str | None:
        return await self._text(line, opcodes.READ_FACTORY_NUMBER, decode_bcd)

    async def read(self, line: XbpiLine, quantity: Quantity, *, hires: int = 0) -> Reading:
        """Read a weight. If it states what earlier replies did not, read it once more: see ``StatedFacts``."""
        for _ in range(2):
            data, reading = await self._read_once(line, quantity, hires)
            if reading.value is None or self._facts[quantity, hires].prove(weight_facts(data)):
                return reading
        raise unproven_error()

    async def _read_once(self, line: XbpiLine, quantity: Quantity, hires: int) -> tuple[bytes, Reading]:
        """Return a weight as received, and as a reading.

        Net is read together with the status block if possible, any other weight without, except if off scale.
        """
        combined = quantity is Quantity.NET and not hires and not self._combined_refused
        if combined:
            request = self._request(opcodes.READ_NET, COMBINED)
        elif hires:
            request = self._request(HIRES[quantity], u8(hires))
        else:
            request = self._request(self.parameter_ids[quantity])
        try:
            reply, stamp = await line.transact(request)
        except (UnknownOpcodeError, InvalidArgumentsError) as error:
            if not combined:
                self._note_unsupported(request, error)
                raise
            self._combined_refused = True  # twice: the line has asked again
            return await self._read_once(line, quantity, hires)
        if not combined:
            del self._refusals[request.opcode]
        weight = parse_measurement(reply.items[0].data)
        block = None
        if len(reply.items) > 1:
            if is_status_block(reply.items[1].data):
                block = parse_status_block(reply.items[1].data)
        elif combined or weight.value is None:
            status = await self._transact(line, opcodes.READ_STATUS_BLOCK)
            block = parse_status_block(status.reply.items[0].data)
        return reply.items[0].data, weight_reading(weight, block, stamp, reply.raw)

    async def state(self, line: XbpiLine) -> State:
        reply, stamp = await self._transact(line, opcodes.READ_STATUS_BLOCK)
        block = parse_status_block(reply.items[0].data)
        return State(
            stamp=stamp,
            stable=block.stable,
            overload=block.overload,
            underload=block.underload,
            isocal_due=block.isocal_due,
            adc_trusted=block.adc_trusted,
            sequence=block.sequence,
        )

    async def temperature(self, line: XbpiLine, sensor: int) -> Amount:
        """Read a temperature sensor. The reply states nothing else, so a jump is read once more."""
        near = [self._temperatures[sensor]] if sensor in self._temperatures else []
        for _ in range(2):
            reply, stamp = await line.transact(self._request(opcodes.READ_TEMPERATURE, u8(sensor)))
            value = decode_float40(reply.items[0].data)
            if value is None:
                return Amount(value, DEG_C, stamp)
            if any(abs(value - other) <= MAX_TEMPERATURE_JUMP for other in near):
                self._temperatures[sensor] = value
                return Amount(value, DEG_C, stamp)
            near.append(value)
        raise unproven_temperature_error()

    async def capacity(self, line: XbpiLine, area: int) -> Amount:
        return await self._in_display_unit(line, opcodes.READ_MAX, area)

    async def increment(self, line: XbpiLine, area: int) -> Amount:
        return await self._in_display_unit(line, opcodes.READ_INCREMENT, area)

    async def last_cal_record(self, line: XbpiLine) -> CalRecord:
        reply, stamp = await self._transact(line, opcodes.READ_LAST_CAL_RECORD)
        return parse_cal_record(reply.items[0].data, stamp)

    async def read_parameter(self, line: XbpiLine, index: int) -> ParameterCode:
        reply, stamp = await self._transact(line, opcodes.READ_PARAMETER, u8(index))
        code, highest = (item.number for item in reply.items)
        return ParameterCode(code, highest, stamp)

    async def write_parameter(self, line: XbpiLine, index: int, code: int) -> None:
        await self._transact(line, opcodes.WRITE_PARAMETER, u8(index, code))

    async def save_menu(self, line: XbpiLine) -> None:
        await self._transact(line, opcodes.SAVE_MENU)

    async def reload_menu(self, line: XbpiLine) -> None:
        await self._transact(line, opcodes.RELOAD_MENU)

    async def tare(self, line: XbpiLine) -> None:
        await self._transact(line, opcodes.TARE, timeout=MECHANICAL_TIMEOUT)

    async def zero(self, line: XbpiLine) -> None:
        await self._transact(line, opcodes.ZERO, timeout=MECHANICAL_TIMEOUT)

    async def adjust(self, line: XbpiLine) -> None:
        await self._transact(line, opcodes.START_ADJUSTMENT, u8(INTERNAL_ADJUSTMENT))

    async def set_filter(self, line: XbpiLine, mode: int) -> None:
        await self._transact(line, opcodes.WRITE_FILTER_MODE, u8(mode))

    def safety_of(self, code: int | str, args: bytes) -> tuple[Safety, str]:
        if not isinstance(code, int) or not 0 <= code <= 0xFF or len(args) > MAX_ARGS:
            hint = f"Use an opcode from 0 to 255 and at most {MAX_ARGS} argument bytes"
            raise ConfigError(f"invalid xBPI command {code!r}", hint=hint, protocol="xbpi")
        return opcode(code).safety, f"{code:02x} {opcode(code).name}"

    async def raw(self, line: XbpiLine, code: int | str, args: bytes) -> bytes | None:
        return (await self._transact(line, int(code), args)).reply.raw

    async def _text(self, line: XbpiLine, code: int, decode: Callable[[bytes], str]) -> str | None:
        """Read an identity register; None if the balance does not have it."""
        try:
            return decode((await self._transact(line, code)).reply.items[0].data)
        except (UnknownOpcodeError, UnsupportedError):
            return None

    async def _in_display_unit(self, line: XbpiLine, code: int, area: int) -> Amount:
        """Read a number in the unit of the display. The reply has no unit, so the unit is read before and after."""
        before = await self._display_unit(line)
        reply, stamp = await self._transact(line, code, u8(area))
        unit = before if before == await self._display_unit(line) else None
        return Amount(decode_float40(reply.items[0].data), unit, stamp)

    async def _display_unit(self, line: XbpiLine) -> str | None:
        try:
            return display_unit((await self.read_parameter(line, DISPLAY_UNIT)).code)
        except DeviceError:
            return None

    async def _transact(
        self, line: XbpiLine, code: int, args: bytes = b"", *, timeout: float | None = None
    ) -> TimedReply[Frame]:
        """Send a command; note it if the balance does not support it."""
        request = self._request(code, args)
        try:
            reply = await line.transact(request, timeout=timeout)
        except UnknownOpcodeError as error:
            self._note_unsupported(request, error)
            raise
        del self._refusals[code]
        return reply

    def _request(self, code: int, args: bytes = b"") -> XbpiRequest:
        """Return the request of a command.

        Raises:
            UnsupportedError: the balance has refused the command before.
        """
        if self._refusals[code] >= REFUSALS:
            raise UnsupportedError("command not supported by this balance", command=opcode(code).name)
        return XbpiRequest(code, args, self._node)

    def _note_unsupported(self, request: XbpiRequest, error: DeviceError) -> None:
        if isinstance(error, UnknownOpcodeError) and not request.combined:
            self._refusals[request.opcode] += 1
