"""Errors of Watlow controllers, one class per documented error code. Source: specification, sections 5 and 9.7.

WatlowRefusedError              an undocumented error code
├── AccessDeniedError           80  read-only
├── ParameterAbsentError        this model does not have the parameter; it is requested only once
│   ├── NoSuchClassError        81
│   ├── NoSuchMemberError       83
│   ├── NoSuchInstanceError     84
│   └── NoSuchRegisterError     Modbus exception 01 or 02 on a read
├── WrongTypeError              85  data type of a write
└── ValueNotAcceptedError       86

Other Modbus exceptions are those of riglog.protocol.modbus.

ReadbackMismatchError           a value was written, and another one is read back
SetupChangedError               word order and register map are not those that were detected before
LinkNotChangedError             the communication settings were changed, and the controller does not respond with them
"""

from riglog.errors import DeviceError, DeviceRefusedError, UnsupportedError


class WatlowRefusedError(DeviceRefusedError):
    """The controller responded with an error code."""


class AccessDeniedError(WatlowRefusedError):
    """Code 80: the parameter is read-only or locked."""


class ParameterAbsentError(WatlowRefusedError, UnsupportedError):
    """This model does not have the parameter, or has fewer instances of it."""


class NoSuchClassError(ParameterAbsentError):
    """Code 81: the model does not have this class of parameters."""


class NoSuchMemberError(ParameterAbsentError):
    """Code 83: the model does not have this parameter of the class."""


class NoSuchInstanceError(ParameterAbsentError):
    """Code 84: the controller has fewer instances, or lacks an option."""


class NoSuchRegisterError(ParameterAbsentError):
    """Modbus exception 01 or 02 on a read: the register map of the model has no register at this address."""


class WrongTypeError(WatlowRefusedError):
    """Code 85: the parameter has another data type."""


class ValueNotAcceptedError(WatlowRefusedError):
    """Code 86: the value or its size is not accepted."""


class ReadbackMismatchError(DeviceError):
    """A write was sent, and the value that the controller reports afterwards is not the one that was sent."""


class SetupChangedError(DeviceError):
    """The settings show another word order or register map than was detected: one was changed while they were read."""


SETUP_CHANGED = "no value: word order and register map of the controller contradict each other"


_BY_CODE: dict[int, tuple[type[WatlowRefusedError], str, str]] = {
    0x80: (AccessDeniedError, "access denied", "The parameter is read-only or locked at the panel"),
    0x81: (
        NoSuchClassError,
        "no such parameter class",
        "This model does not have the parameter; remove it from `parameters`",
    ),
    0x83: (
        NoSuchMemberError,
        "no such parameter",
        "This model or firmware does not have the parameter; remove it from `parameters`",
    ),
    0x84: (
        NoSuchInstanceError,
        "no such instance",
        "The controller has fewer loops, inputs or alarms, or lacks this option",
    ),
    0x85: (WrongTypeError, "wrong data type", "Read the parameter first and write with the data type of the reply"),
    0x86: (ValueNotAcceptedError, "value rejected", "Read the limits of the parameter first"),
}


def refusal_error(code: int) -> WatlowRefusedError:
    """Return the error for a Standard Bus error code."""
    kind, message, hint = _BY_CODE.get(code, (WatlowRefusedError, "refused with an undocumented error code", None))
    return kind(message, code=f"{code:02X}", hint=hint)
