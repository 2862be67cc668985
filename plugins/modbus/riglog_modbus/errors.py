"""Errors of a Modbus instrument, beyond those that riglog has for every device."""

from riglog.errors import DeviceRefusedError
from riglog.protocol.modbus import ModbusExceptionError


class RegisterRefusedError(DeviceRefusedError):
    """The instrument refuses a register, or a bit, by itself: this model does not have it."""

    def __init__(self, name: str, start: int, refusal: ModbusExceptionError) -> None:
        super().__init__(
            f"{name}: register {start} refused: {refusal.message}",
            hint="Remove it from parameters, or use the instrument file of this model",
            code=refusal.code,
        )
