"""Modbus exception codes as errors. Source: Modbus application protocol V1.1b3, section 7."""

from riglog.errors import DeviceRefusedError


class ModbusExceptionError(DeviceRefusedError):
    """The slave answered with an exception; ``code`` is its number."""

    exception_code = 0
    meaning = "unknown exception"
    advice: str | None = None

    def __init__(self, code: int | None = None, **context: object) -> None:
        number = self.exception_code if code is None else code
        super().__init__(f"Modbus exception {number:02X}: {self.meaning}", code=number, hint=self.advice, **context)


class IllegalFunctionError(ModbusExceptionError):
    exception_code = 1
    meaning = "illegal function"
    advice = "this instrument does not know that function code"


class IllegalDataAddressError(ModbusExceptionError):
    exception_code = 2
    meaning = "illegal data address"
    advice = "there is no such register, or the span reaches beyond the map"


class IllegalDataValueError(ModbusExceptionError):
    exception_code = 3
    meaning = "illegal data value"
    advice = "the value or the number of registers is not allowed"


class SlaveDeviceFailureError(ModbusExceptionError):
    exception_code = 4
    meaning = "slave device failure"
    advice = "the instrument failed while doing it"


class AcknowledgeError(ModbusExceptionError):
    exception_code = 5
    meaning = "accepted, still working on it"


class SlaveDeviceBusyError(ModbusExceptionError):
    exception_code = 6
    meaning = "slave device busy"
    advice = "ask again later"


class NegativeAcknowledgeError(ModbusExceptionError):
    exception_code = 7
    meaning = "cannot be done"


class MemoryParityError(ModbusExceptionError):
    exception_code = 8
    meaning = "memory parity error"


class GatewayPathUnavailableError(ModbusExceptionError):
    exception_code = 10
    meaning = "gateway has no path to the slave"
    advice = "check the gateway's set-up and the unit id"


class GatewayTargetFailedError(ModbusExceptionError):
    exception_code = 11
    meaning = "gateway got no answer from the slave"
    advice = "check power, wiring and address behind the gateway"


BY_CODE: dict[int, type[ModbusExceptionError]] = {
    kind.exception_code: kind for kind in ModbusExceptionError.__subclasses__()
}


def exception_for(code: int, **context: object) -> ModbusExceptionError:
    """The error that stands for an exception code; codes nobody documented keep their number."""
    return BY_CODE.get(code, ModbusExceptionError)(code, **context)
