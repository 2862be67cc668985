"""Errors of a balance, and errors that only balances cause. Source: sections 2.2, 3.5, 4.4, 4.8.

DeviceRefusedError
├── XbpiError                   an error reply; ``code`` is the raw code
│   ├── ValueOutOfRangeError    03
│   ├── UnknownOpcodeError      04
│   ├── NotApplicableError      06
│   ├── InvalidArgumentsError   07
│   └── IndexOutOfRangeError    10, 11, and 04 if the request contains an index
└── SbiError                    an error line; ``code`` is the number, or APP, DIS, PRT, COMM, SYS
    ├── NumberedError           Err nnn
    ├── ApplicationError        APP.ERR
    ├── DisplayFormatError      DIS.ERR
    ├── PrintBlockedError       PRT.ERR
    └── InternalError           COMM.ERR, SYS.ERR
DeviceError
├── AutoprintError              the balance is in autoprint mode, in which a request would turn autoprint off
├── OtherWeightError            the balance prints another weight than the one asked for
└── NotSettledError             a tare or zero command was not followed by a stable value near zero
ProtocolError
└── LineSettingsError           bytes arrive, but data bits, parity or protocol differ from the settings of the port
"""

from riglog.errors import DeviceError, DeviceRefusedError, MalformedReplyError, ProtocolError, UnsupportedError


class XbpiError(DeviceRefusedError):
    """The balance replied with an error code."""


class ValueOutOfRangeError(XbpiError):
    """The argument is well formed, but its value is not accepted."""


class UnknownOpcodeError(XbpiError):
    """The balance does not support the command."""


class NotApplicableError(XbpiError):
    """The present state of the balance does not allow the command, or there is nothing to abort."""


class InvalidArgumentsError(XbpiError):
    """The balance supports the command; an argument is missing or has the wrong form."""


class IndexOutOfRangeError(XbpiError):
    """The balance does not have a slot, sensor or parameter with this index."""


class SbiError(DeviceRefusedError):
    """The balance replied with an error line."""


class NumberedError(SbiError):
    """``Err nnn``"""


class ApplicationError(SbiError):
    """The running application does not allow the value."""


class DisplayFormatError(SbiError):
    """The value does not fit the display format."""


class PrintBlockedError(SbiError):
    """Printing is blocked: the port is in xBPI mode."""


class InternalError(SbiError):
    """An internal communication or system data error of the balance."""


class AutoprintError(DeviceError):
    """The balance is in autoprint mode, in which a request would turn autoprint off."""


class OtherWeightError(DeviceError):
    """The label of a line states another weight than the one asked for: gross instead of net, or the reverse."""


class NotSettledError(DeviceError):
    """The command was sent, but no stable value near zero followed in time."""


class LineSettingsError(ProtocolError):
    """Bytes arrive, but not with the data bits, parity or protocol for which the port is set up."""


LINE_REASONS = ("line_busy", "waiting", "echo", "no_echo")
"""Reasons of a ReplyTimeoutError that concern the line and not the balance: the hint of the core is the right one."""

XBPI_ERRORS: dict[int, tuple[type[XbpiError], str]] = {
    0x03: (ValueOutOfRangeError, "value out of range"),
    0x04: (UnknownOpcodeError, "command not supported"),
    0x06: (NotApplicableError, "not applicable now"),
    0x07: (InvalidArgumentsError, "argument invalid or missing"),
    0x10: (IndexOutOfRangeError, "index out of range"),
    0x11: (IndexOutOfRangeError, "index out of range"),
}

SBI_ERROR_NUMBERS = {
    2: "zero-point error during adjustment",
    10: "tare blocked by an application",
    11: "tare memory empty or negative",
    54: "underload",
    55: "overload",
}

SBI_ERROR_WORDS: dict[str, tuple[type[SbiError], str]] = {
    "APP": (ApplicationError, "value not allowed by the application"),
    "DIS": (DisplayFormatError, "value does not fit the display"),
    "PRT": (PrintBlockedError, "print blocked: the port is in xBPI mode"),
    "COMM": (InternalError, "internal communication error"),
    "SYS": (InternalError, "system data error"),
}


def xbpi_error(code: int, *, indexed: bool, command: str) -> XbpiError:
    """Return the error for an error reply to ``command``.

    Args:
        indexed: the request contains an index; then "unknown opcode" means that the index is out of range.
    """
    kind, text = XBPI_ERRORS.get(code, (XbpiError, "undocumented error code"))
    if kind is UnknownOpcodeError and indexed:
        kind, text = IndexOutOfRangeError, "index out of range"
    return kind(f"refused by the balance: {text}", code=code, command=command)


def sbi_error(code: int | str) -> SbiError:
    """Return the error for an error line."""
    if isinstance(code, int):
        text = SBI_ERROR_NUMBERS.get(code)
        return NumberedError(f"balance error Err {code:03d}" + (f": {text}" if text else ""), code=code)
    kind, text = SBI_ERROR_WORDS.get(code, (SbiError, "undocumented error"))
    return kind(f"balance error {code}.ERR: {text}", code=code)


def not_available_error(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} not available over SBI", hint='Set the port of the balance to xBPI in its menu, and protocol = "xbpi"'
    )


def autoprint_error() -> AutoprintError:
    return AutoprintError(
        "the balance is in autoprint mode; a request would turn it off",
        hint="Set autoprint = true, or turn autoprint off in the balance menu",
    )


def autoprint_busy_error(what: str) -> AutoprintError:
    return AutoprintError(
        f"{what} cannot be read while the balance is in autoprint mode",
        hint="Turn autoprint off in the balance menu and set autoprint = false",
    )


def other_weight_error(wanted: str, printed: str) -> OtherWeightError:
    return OtherWeightError(
        f"no {wanted} weight: the balance prints the {printed} weight", hint=f'Add "{printed}" to parameters'
    )


def unproven_error() -> MalformedReplyError:
    return MalformedReplyError(
        "two replies in a row state different units, decimals or layouts",
        hint="Check the wiring. If the display was just changed at the panel, read again",
    )


def damaged_weight_error(what: str) -> MalformedReplyError:
    return MalformedReplyError(f"damaged reply: the number contradicts the {what} in the reply")


def unproven_temperature_error() -> MalformedReplyError:
    return MalformedReplyError("two replies in a row state different temperatures", hint="Check the wiring")


def text_received_error(**context: object) -> LineSettingsError:
    return LineSettingsError(
        "received SBI text instead of xBPI frames",
        hint='The port is in SBI mode: set protocol = "sbi", or select xBPI in the balance menu',
        **context,
    )


def seven_bit_error(**context: object) -> LineSettingsError:
    return LineSettingsError(
        "wrong data bits or parity: the balance sends 7 data bits, odd parity",
        hint='Set bytesize = 7 and parity = "O"',
        **context,
    )


MIN_SEVEN_BIT_BYTES = 8
"""With fewer bytes, odd parity of all of them may be chance."""


def is_seven_bit_text(data: bytes) -> bool:
    """Return True for text sent with 7 data bits and odd parity, but received as 8 bits without parity.

    It is to be reported. Masking the parity bits would hide damaged characters. Source: section 2.2.
    """
    return (
        len(data) >= MIN_SEVEN_BIT_BYTES
        and any(byte & 0x80 for byte in data)
        and all(byte.bit_count() % 2 for byte in data)
        and all(0x20 <= byte & 0x7F <= 0x7E or byte & 0x7F in (0x0A, 0x0D) for byte in data)
    )
