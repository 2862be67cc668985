"""Errors of an instrument with an ASCII protocol, beyond those that riglog has for every device."""

from riglog.errors import DeviceRefusedError


class InstrumentRefusedError(DeviceRefusedError):
    """The instrument replied with one of the error replies of its file."""

    def __init__(self, line: str, meaning: str) -> None:
        super().__init__(f"the instrument replied {line!r}: {meaning}", code=line)
