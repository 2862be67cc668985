"""What a Watlow controller refuses, one class per documented code. Source: specification, sections 5 and 9.7.

WatlowRefusedError              an error code nobody documented
├── AccessDeniedError           80  read-only
├── ParameterAbsentError        this model does not have it; asking again is no use
│   ├── NoSuchClassError        81
│   ├── NoSuchMemberError       83
│   ├── NoSuchInstanceError     84
│   └── NoSuchRegisterError     Modbus exception 01 or 02 on a read
├── WrongTypeError              85  type tag of a write
└── ValueNotAcceptedError       86

Other Modbus exceptions are those of riglog.protocol.modbus.

StoredOtherwiseError            it took a write, and holds another value
LinkNotChangedError             it was told to move to another link, and does not answer there
"""

from riglog.errors import DeviceError, DeviceRefusedError, UnsupportedError


class WatlowRefusedError(DeviceRefusedError):
    """The controller answered with an error code."""


class AccessDeniedError(WatlowRefusedError):
    """Code 80: the parameter is read-only, or locked."""


class ParameterAbsentError(WatlowRefusedError, UnsupportedError):
    """This model does not have the parameter, or not that many instances of it."""


class NoSuchClassError(ParameterAbsentError):
    """Code 81: no such class of parameters."""


class NoSuchMemberError(ParameterAbsentError):
    """Code 83: no such parameter in that class."""


class NoSuchInstanceError(ParameterAbsentError):
    """Code 84: no such instance, or a function this unit was not built with."""


class NoSuchRegisterError(ParameterAbsentError):
    """Modbus exception 01 or 02 on a read: nothing is at that place of the register map."""


class WrongTypeError(WatlowRefusedError):
    """Code 85: the parameter has another data type."""


class ValueNotAcceptedError(WatlowRefusedError):
    """Code 86: value or size not accepted."""


class StoredOtherwiseError(DeviceError):
    """The controller took the write, and holds another value than the one sent."""


class LinkNotChangedError(DeviceError):
    """The controller was told to change its address, baud rate or protocol, and does not answer there."""


_BY_CODE: dict[int, tuple[type[WatlowRefusedError], str, str]] = {
    0x80: (AccessDeniedError, "access denied", "the parameter is read-only or locked at the panel"),
    0x81: (NoSuchClassError, "no such parameter class", "this model does not have it; leave it out"),
    0x83: (NoSuchMemberError, "no such parameter", "this model or firmware does not have it; leave it out"),
    0x84: (NoSuchInstanceError, "no such instance", "the unit has fewer loops, inputs or alarms, or not this function"),
    0x85: (WrongTypeError, "wrong data type", "read the parameter first and write with the type of its reply"),
    0x86: (ValueNotAcceptedError, "value not accepted", "read the parameter's limits first"),
}


def refusal(code: int) -> WatlowRefusedError:
    """The error for a Standard Bus error code."""
    kind, message, hint = _BY_CODE.get(code, (WatlowRefusedError, "refused with an undocumented code", None))
    return kind(message, code=f"{code:02X}", hint=hint)
