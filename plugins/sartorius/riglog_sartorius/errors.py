"""What a balance refuses, and what only balances get wrong. Source: sections 2.2, 3.5, 4.4, 4.8.

DeviceRefusedError
├── XbpiError                   any error reply; ``code`` is the raw code
│   ├── ValueOutOfRangeError    03
│   ├── UnknownOpcodeError      04
│   ├── NotApplicableError      06
│   ├── InvalidArgumentsError   07
│   └── IndexOutOfRangeError    10, 11, and 04 where the request names an index
└── SbiError                    any error line; ``code`` is the number, or APP, DIS, PRT, COMM, SYS
    ├── NumberedError           Err nnn
    ├── ApplicationError        APP.ERR
    ├── DisplayFormatError      DIS.ERR
    ├── PrintBlockedError       PRT.ERR
    └── InternalError           COMM.ERR, SYS.ERR
DeviceError
├── AutoprintError              the balance prints of itself where nobody expects it, or the other way round
└── NotSettledError             a tare or zero did not end in a stable value near zero
ProtocolError
└── LineSettingsError           bytes come, but data bits, parity or protocol are not what the port is set to
"""

from riglog.errors import DeviceError, DeviceRefusedError, ProtocolError


class XbpiError(DeviceRefusedError):
    """The balance answered with an error code."""


class ValueOutOfRangeError(XbpiError):
    """The argument is well formed, its value is not accepted."""


class UnknownOpcodeError(XbpiError):
    """This balance does not implement the command."""


class NotApplicableError(XbpiError):
    """Nothing to abort, or the state does not allow it now; later it may."""


class InvalidArgumentsError(XbpiError):
    """The command exists; an argument is missing or has the wrong form."""


class IndexOutOfRangeError(XbpiError):
    """There is no slot, sensor or parameter of that index."""


class SbiError(DeviceRefusedError):
    """The balance answered with an error line."""


class NumberedError(SbiError):
    """``Err nnn``"""


class ApplicationError(SbiError):
    """The running application does not allow the value."""


class DisplayFormatError(SbiError):
    """The value does not fit the display format."""


class PrintBlockedError(SbiError):
    """Printing is blocked: the port is in xBPI mode."""


class InternalError(SbiError):
    """Internal communication or system data of the balance."""


class AutoprintError(DeviceError):
    """Automatic output runs where it was not expected, and asking would switch it off."""


class NotSettledError(DeviceError):
    """The command was sent; no stable value near zero followed in time."""


class LineSettingsError(ProtocolError):
    """Bytes arrive, but not as the port is set up to read them."""


XBPI_ERRORS: dict[int, tuple[type[XbpiError], str]] = {
    0x03: (ValueOutOfRangeError, "value out of range"),
    0x04: (UnknownOpcodeError, "command unknown to this balance"),
    0x06: (NotApplicableError, "not applicable now"),
    0x07: (InvalidArgumentsError, "argument invalid or missing"),
    0x10: (IndexOutOfRangeError, "index out of range"),
    0x11: (IndexOutOfRangeError, "index out of range"),
}

NUMBERED = {
    2: "zero error at adjustment",
    10: "tare blocked by an application",
    11: "tare memory empty or negative",
    54: "underload",
    55: "overload",
}

WORDED: dict[str, tuple[type[SbiError], str]] = {
    "APP": (ApplicationError, "value not allowed by the application"),
    "DIS": (DisplayFormatError, "value does not fit the display"),
    "PRT": (PrintBlockedError, "print blocked, the port is in xBPI mode"),
    "COMM": (InternalError, "internal communication"),
    "SYS": (InternalError, "system data"),
}


def xbpi_error(code: int, *, indexed: bool, command: str) -> XbpiError:
    """The error for a code in answer to ``command``; an unknown opcode with an index is an index out of range."""
    kind, text = XBPI_ERRORS.get(code, (XbpiError, "refused"))
    if kind is UnknownOpcodeError and indexed:
        kind, text = IndexOutOfRangeError, "index out of range"
    return kind(f"the balance refuses: {text}", code=code, command=command)


def sbi_error(code: int | str) -> SbiError:
    """The error for an error line."""
    if isinstance(code, int):
        text = NUMBERED.get(code)
        return NumberedError(f"the balance says Err {code:03d}" + (f": {text}" if text else ""), code=code)
    kind, text = WORDED.get(code, (SbiError, "error"))
    return kind(f"the balance says {code}.ERR: {text}", code=code)
