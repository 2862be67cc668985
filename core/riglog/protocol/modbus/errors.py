"""Modbus exception codes as errors. Source: Modbus application protocol V1.1b3, section 7."""

from riglog.errors import DeviceRefusedError


class ModbusExceptionError(DeviceRefusedError):
    """The server responded with an exception; ``code`` is its number."""

    exception_code = 0
    meaning = "unknown exception"
    advice: str | None = None

    def __init__(self, code: int | None = None, **context: object) -> None:
        number = self.exception_code if code is None else code
        super().__init__(f"Modbus exception 0x{number:02X}: {self.meaning}", code=number, hint=self.advice, **context)


class IllegalFunctionError(ModbusExceptionError):
    exception_code = 1
    meaning = "illegal function"
    advice = "The instrument does not support this function code"


class IllegalDataAddressError(ModbusExceptionError):
    exception_code = 2
    meaning = "illegal data address"
    advice = "The register does not exist, or the range extends past the register map"


class IllegalDataValueError(ModbusExceptionError):
    exception_code = 3
    meaning = "illegal data value"
    advice = "The value, or the number of registers, is not accepted"


class SlaveDeviceFailureError(ModbusExceptionError):
    exception_code = 4
    meaning = "slave device failure"
    advice = "The instrument failed while executing the request; check its display"


class AcknowledgeError(ModbusExceptionError):
    exception_code = 5
    meaning = "acknowledge: accepted, still being processed"


class SlaveDeviceBusyError(ModbusExceptionError):
    exception_code = 6
    meaning = "slave device busy"
    advice = "Retry later"


class NegativeAcknowledgeError(ModbusExceptionError):
    exception_code = 7
    meaning = "negative acknowledge: the function cannot be performed"


class MemoryParityError(ModbusExceptionError):
    exception_code = 8
    meaning = "memory parity error"


class GatewayPathUnavailableError(ModbusExceptionError):
    exception_code = 10
    meaning = "gateway path unavailable"
    advice = "Check the configuration of the gateway and the unit identifier"


class GatewayTargetFailedError(ModbusExceptionError):
    exception_code = 11
    meaning = "gateway target device failed to respond"
    advice = "Check power, wiring and address of the device behind the gateway"


BY_CODE: dict[int, type[ModbusExceptionError]] = {
    kind.exception_code: kind for kind in ModbusExceptionError.__subclasses__()
}


def exception_for(code: int, **context: object) -> ModbusExceptionError:
    """Return the error for an exception code; an undocumented code keeps its number."""
    return BY_CODE.get(code, ModbusExceptionError)(code, **context)
