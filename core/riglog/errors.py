"""Every error riglog raises on purpose. An error carries where it happened as data, and says what to do next.

RiglogError
├── ConfigError                 bad input: nothing was opened, nothing was sent
│   ├── UnknownDriverError      no installed plugin registers that driver
│   └── LinkConflictError       two devices want one port set up in two ways
├── PortError                   the place to talk to
│   ├── PortNotFoundError
│   ├── PortBusyError
│   ├── PortDeniedError
│   └── ConnectionLostError     it was open, and is gone: cable out, peer closed
├── ProtocolError               bytes came or did not come; no value follows from them
│   ├── ReplyTimeoutError       nothing that answers the request came in time
│   ├── AmbiguousReplyError     two replies came to one request, and they differ
│   └── MalformedReplyError     it answers the request, and makes no sense
├── DeviceError                 the instrument understood, and something is wrong with the instrument
│   ├── DeviceRefusedError      it answered with an error code
│   ├── WrongInstrumentError    another instrument answers where ours was
│   └── UnsupportedError        this model has no such thing
├── WriteRefusedError           refused here, before a byte was sent
│   └── ConfirmationError       it changes the instrument, and nobody said confirm=True
└── StorageError                where the rows go
    ├── NotARecordingError      the file holds something else; it was left as it was
    └── NewerSchemaError        written by a newer riglog
"""

from collections.abc import Iterator
from contextlib import contextmanager

SHOWN_BYTES = 32
"""Of requests and replies in the text of an error; ``context`` has all of them."""


class RiglogError(Exception):
    """Base of all. ``context`` says where (device, port, address, request, reply …), ``hint`` what to do next."""

    def __init__(self, message: str, /, *, hint: str | None = None, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.context = {key: value for key, value in context.items() if value is not None}

    def __str__(self) -> str:
        where = ", ".join(f"{key} {_shown(value)}" for key, value in self.context.items())
        return f"{self.message} ({where})" if where else self.message


class ConfigError(RiglogError):
    """Bad input. Nothing was opened and nothing was sent."""


class UnknownDriverError(ConfigError):
    """No installed plugin registers a driver of that name."""


class LinkConflictError(ConfigError):
    """Two devices want one port, and cannot share it."""


class PortError(RiglogError):
    """The port cannot be used."""


class PortNotFoundError(PortError):
    """There is no such port."""


class PortBusyError(PortError):
    """Somebody else holds the port."""


class PortDeniedError(PortError):
    """The operating system does not let us open the port."""


class ConnectionLostError(PortError):
    """The port was open and is gone: cable out, adapter reset, peer closed."""


class ProtocolError(RiglogError):
    """What came over the wire does not prove a value."""


class ReplyTimeoutError(ProtocolError):
    """Nothing that answers the request came in time; ``reason`` says what came instead."""

    def __init__(
        self, message: str, /, *, reason: str = "no_reply", hint: str | None = None, **context: object
    ) -> None:
        super().__init__(message, hint=hint, reason=None if reason == "no_reply" else reason, **context)
        self.reason = reason


class AmbiguousReplyError(ProtocolError):
    """Two replies came to one request, and they differ: nobody can tell which of them answers."""


class MalformedReplyError(ProtocolError):
    """The reply answers the request and is intact, but its content cannot be read."""


class DeviceError(RiglogError):
    """The line is sound; the instrument is not what or how we need it."""


class DeviceRefusedError(DeviceError):
    """The instrument answered with an error code."""

    def __init__(
        self, message: str, /, *, code: int | str | None = None, hint: str | None = None, **context: object
    ) -> None:
        super().__init__(message, hint=hint, code=code, **context)
        self.code = code


class WrongInstrumentError(DeviceError):
    """Another instrument answers where ours was."""


class UnsupportedError(DeviceError):
    """This instrument, or this protocol, has no such thing."""


class WriteRefusedError(RiglogError):
    """A change was refused here, before a byte was sent."""


class ConfirmationError(WriteRefusedError):
    """The call changes the instrument and needs ``confirm=True``."""


class StorageError(RiglogError):
    """The rows cannot be stored or read back."""


class NotARecordingError(StorageError):
    """The file is no riglog recording; it was left as it was."""


class NewerSchemaError(StorageError):
    """The file was written by a newer riglog; it was left as it was."""


@contextmanager
def error_context(**context: object) -> Iterator[None]:
    """Add what only the outer layer knows to a RiglogError on its way out. What is already there stays."""
    try:
        yield
    except RiglogError as error:
        known = {key: value for key, value in context.items() if value is not None}
        error.context = known | error.context
        raise


def _shown(value: object) -> str:
    if not isinstance(value, (bytes, bytearray)):
        return str(value)
    if len(value) <= SHOWN_BYTES:
        return value.hex(" ")
    return f"{value[:SHOWN_BYTES].hex(' ')} … {len(value)} bytes"
