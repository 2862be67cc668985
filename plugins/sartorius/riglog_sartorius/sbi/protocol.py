"""A balance over SBI that is polled. Source: sections 4.2, 4.4, 4.6, 4.7."""

from typing import ClassVar

from riglog.device import Safety, StatedFacts
from riglog.errors import ConfigError, ReplyTimeoutError
from riglog.model import OK, Stamp, Status
from riglog_sartorius.config import SBI_QUANTITIES, Quantity
from riglog_sartorius.errors import (
    OtherWeightError,
    not_available_error,
    other_weight_error,
    sbi_error,
    unproven_error,
)
from riglog_sartorius.identity import Identity
from riglog_sartorius.protocol import SartoriusProtocol
from riglog_sartorius.samples import Reading, State
from riglog_sartorius.sbi.codec import SbiClient
from riglog_sartorius.sbi.commands import (
    FILTERS,
    INTERNAL_ADJUSTMENT,
    MAX_TOKEN,
    PRINT,
    PRINT_MODEL,
    PRINT_SERIAL,
    PRINT_VERSION,
    TARE_AND_ZERO,
    ZERO,
    Reply,
    command,
    identity_text,
)
from riglog_sartorius.sbi.lines import OFF_SCALE, Kind, Line
from riglog_sartorius.sbi.session import SbiLine, SbiSession

NO_VALUE_REASONS = {
    "blank": "display blank",
    "adjusting": "adjustment in progress",
    "not_ready": "final reading not reached yet",
    "standby": "balance in standby",
}


class SbiProtocol(SartoriusProtocol):
    """A balance that sends a line for each request: with the net weight, or, labelled G, with the gross weight."""

    confirms_by_reading: ClassVar[bool] = True

    def __init__(self, client: SbiClient, *, crlf: bool = True) -> None:
        self._codec = client.codec
        self._session = SbiSession(client, crlf=crlf)
        self._facts = {quantity: StatedFacts() for quantity in SBI_QUANTITIES}

    async def handshake(self, line: SbiLine) -> None:
        self._codec.identities = ()
        await self._session.start()
        self._facts = {quantity: StatedFacts() for quantity in SBI_QUANTITIES}
        for token in (PRINT_MODEL, PRINT_SERIAL):
            if await self._identity_text(line, token) is None:
                break
            self._codec.identities += (token,)
        else:
            return
        try:
            await self._session.transact(line, PRINT)
        except ReplyTimeoutError as error:
            if error.reason == "no_reply":
                error.hint = (
                    "Check power, wiring and baud rate; `riglog discover` tries the usual ones. If the port is in xBPI "
                    'mode, set protocol = "xbpi". Old balances need rtscts = true'
                )
            raise

    async def identify(self, line: SbiLine) -> Identity:
        tokens = (PRINT_MODEL, PRINT_SERIAL, PRINT_VERSION)
        model, serial, version = [await self._identity_text(line, token) for token in tokens]
        return Identity(model, serial, version)

    async def serial_number(self, line: SbiLine) -> str | None:
        """Read the serial number; None if the balance did not respond to identity commands at opening."""
        if PRINT_SERIAL not in self._codec.identities:
            return None
        return identity_text(PRINT_SERIAL, (await self._session.transact(line, PRINT_SERIAL)).reply)

    async def read(self, line: SbiLine, quantity: Quantity, *, hires: int = 0) -> Reading:
        """Read a weight. If its line states what earlier lines did not, print once more: see ``StatedFacts``."""
        require_as_displayed(quantity, hires)
        for _ in range(2):
            printed, stamp = await self._session.print_weight(line, quantity)
            if printed.quantity is not quantity or self._is_proven(printed):
                return weight_reading(quantity, printed, stamp)
        raise unproven_error()

    async def state(self, line: SbiLine) -> State:
        """Read the state from a print, whichever weight it has."""
        try:
            reading = await self.read(line, Quantity.NET)
        except OtherWeightError:
            reading = await self.read(line, Quantity.GROSS)
        return State(
            stamp=reading.stamp,
            stable=reading.stable,
            overload=reading.overload,
            underload=reading.underload,
            adjusting=reading.adjusting,
        )

    async def tare(self, line: SbiLine) -> None:
        await self._session.send(line, TARE_AND_ZERO)

    async def zero(self, line: SbiLine) -> None:
        await self._session.send(line, ZERO)

    async def adjust(self, line: SbiLine) -> None:
        await self._session.send(line, INTERNAL_ADJUSTMENT)

    async def set_filter(self, line: SbiLine, mode: int) -> None:
        await self._session.send(line, FILTERS[mode])

    def safety_of(self, code: int | str, args: bytes) -> tuple[Safety, str]:
        token = token_of(code, args)
        return command(token).safety, f"ESC {token} {command(token).name}"

    async def raw(self, line: SbiLine, code: int | str, args: bytes) -> bytes | None:
        token = token_of(code, args)
        if command(token).reply is Reply.NONE:
            await self._session.send(line, token)
            return None
        return (await self._session.transact(line, token)).reply.raw

    def _is_proven(self, printed: Line) -> bool:
        """Return True for a line without a weight, and for one that states nothing new besides its number."""
        return printed.quantity is None or self._facts[printed.quantity].prove(printed.facts)

    async def _identity_text(self, line: SbiLine, token: str) -> str | None:
        """Read an identity line; None if the balance does not respond to the command."""
        try:
            return identity_text(token, (await self._session.transact(line, token)).reply)
        except ReplyTimeoutError:
            return None


def line_reading(line: Line, stamp: Stamp) -> Reading:
    """Return a weight or status line as a reading. SBI omits the unit of an unstable weight; then it is None.

    Raises:
        SbiError: it is an error line.
    """
    if line.kind is Kind.WEIGHT:
        return Reading(
            value=line.value,
            unit=line.unit,
            stable=line.stable,
            stamp=stamp,
            decimals=line.decimals,
            sign=line.sign,
            overload=False,
            underload=False,
            unverified_digit=not line.digits_verified,
            status=OK,
            raw=line.raw,
        )
    word = line.status or ""
    if line.code is not None:
        if line.code not in OFF_SCALE:
            raise sbi_error(line.code)
        word = OFF_SCALE[line.code]
    out_of_range = word in ("overload", "underload")
    return Reading(
        value=None,
        unit=None,
        stable=False,
        stamp=stamp,
        overload=word == "overload",
        underload=word == "underload",
        adjusting=word == "adjusting",
        reason=NO_VALUE_REASONS.get(word, word),
        status=Status.OUT_OF_RANGE if out_of_range else Status.MISSING,
        raw=line.raw,
    )


def weight_reading(quantity: Quantity, line: Line, stamp: Stamp) -> Reading:
    """Return the line of a print as a reading of a weight.

    Raises:
        OtherWeightError: it is another weight.
        SbiError: it is an error line.
    """
    if line.quantity not in (None, quantity):
        raise other_weight_error(quantity, str(line.quantity))
    return line_reading(line, stamp)


def require_as_displayed(quantity: Quantity, hires: int) -> None:
    """Refuse every reading other than a weight that is printed, with the decimals of the display.

    Raises:
        UnsupportedError: it is not available over SBI.
    """
    if hires:
        raise not_available_error(f"high-resolution {quantity} weight")
    if quantity not in SBI_QUANTITIES:
        raise not_available_error(f"{quantity} weight")


def token_of(code: int | str, args: bytes) -> str:
    """Return the complete token of a raw command, by which its safety is judged and which is sent.

    Raises:
        ConfigError: it is not a command of SBI.
    """
    token = str(code) + args.decode("latin-1")
    if isinstance(code, int) or not 0 < len(token) <= MAX_TOKEN or not token.isascii() or not token.isprintable():
        hint = f"Give the 1 to {MAX_TOKEN} printable characters after ESC, for example x1_"
        raise ConfigError(f"invalid SBI command {token!r}", hint=hint, protocol="sbi")
    return token
