"""Every error that riglog raises on purpose. An error carries where it happened as data, and a hint for the next step.

The tree of the classes::

    RiglogError
    ├── ConfigError                 invalid input: nothing was opened, nothing was sent
    │   ├── UnknownDriverError      no installed plugin provides the driver
    │   └── LinkConflictError       two devices need different settings of one port
    ├── PortError                   the port cannot be used
    │   ├── PortNotFoundError
    │   ├── PortBusyError
    │   ├── PortDeniedError
    │   ├── PortSettingsError       it does not support these serial settings
    │   └── ConnectionLostError     the open port is gone: cable unplugged, connection closed by the peer
    ├── ProtocolError               no valid reply was received
    │   ├── ReplyTimeoutError       no reply to the request within the timeout
    │   ├── AmbiguousReplyError     the reply cannot be assigned to a request
    │   └── MalformedReplyError     the reply belongs to the request and has invalid content
    ├── DeviceError                 communication works; it reports a problem or is not the expected one
    │   ├── DeviceRefusedError      it replied with an error code
    │   ├── LinkNotChangedError     does not respond with changed communication settings
    │   ├── WrongInstrumentError    a different instrument responds
    │   └── UnsupportedError        this model or protocol does not provide it
    ├── WriteRefusedError           a change was refused by riglog; nothing was sent
    │   └── ConfirmationError       the change needs confirm=True
    └── StorageError                rows cannot be stored or read back
        ├── NotARecordingError      the file is not a riglog recording; it was not modified
        └── NewerSchemaError        written by a newer riglog; it was not modified
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

__all__ = [
    "AmbiguousReplyError",
    "ConfigError",
    "ConfirmationError",
    "ConnectionLostError",
    "DeviceError",
    "DeviceRefusedError",
    "LinkConflictError",
    "MalformedReplyError",
    "NewerSchemaError",
    "NotARecordingError",
    "PortBusyError",
    "PortDeniedError",
    "PortError",
    "PortNotFoundError",
    "PortSettingsError",
    "ProtocolError",
    "ReplyTimeoutError",
    "RiglogError",
    "StorageError",
    "UnknownDriverError",
    "UnsupportedError",
    "WriteRefusedError",
    "WrongInstrumentError",
    "error_context",
]

SHOWN_BYTES = 32
"""Number of bytes of a request or reply shown in the text of an error; ``context`` has all of them."""
FILE_KEYS = ("file", "path", "database")


class RiglogError(Exception):
    """Base of all errors.

    ``message`` is the fact, without the place: device, port, address and file are ``context`` and are put in front by
    ``str()``. ``hint`` is the next step, one sentence without a full stop.
    """

    def __init__(self, message: str, /, *, hint: str | None = None, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self._hint: str | None = None
        self.hint = hint
        self.context = {key: value for key, value in context.items() if value is not None}

    @property
    def hint(self) -> str | None:
        """The next step. It is a note of the exception too, so that a traceback shows it."""
        return self._hint

    @hint.setter
    def hint(self, hint: str | None) -> None:
        if self._hint is not None:
            self.__notes__.remove(self._hint)
        self._hint = hint
        if hint is not None:
            self.add_note(hint)

    def __str__(self) -> str:
        return self.text()

    def text(self, *, without: Collection[str] = ()) -> str:
        """Return ``place: message [key=value]``; a device is ``oven (/dev/ttyUSB0, address 1)``.

        Args:
            without: keys of the context that are left out.
        """
        rest = {key: value for key, value in self.context.items() if key not in without}
        files = [str(rest.pop(key)) for key in FILE_KEYS if key in rest]
        text = ": ".join([*files, *_place(rest), self.message])
        return f"{text} [{', '.join(f'{key}={_shown(value)}' for key, value in rest.items())}]" if rest else text


class ConfigError(RiglogError, ValueError):
    """Invalid input. Nothing was opened and nothing was sent. It is a ValueError too."""


class UnknownDriverError(ConfigError):
    """No installed plugin provides a driver of this name."""


class LinkConflictError(ConfigError):
    """Two devices are on one port and cannot share it."""


class PortError(RiglogError):
    """The port cannot be used."""


class PortNotFoundError(PortError):
    """The port does not exist."""


class PortBusyError(PortError):
    """Another program uses the port."""


class PortDeniedError(PortError):
    """The operating system does not permit opening the port."""


class PortSettingsError(PortError):
    """The port does not support these serial settings; others may work."""


class ConnectionLostError(PortError):
    """The open port is gone: cable unplugged, adapter reset, connection closed by the peer."""


class ProtocolError(RiglogError):
    """No valid reply was received."""


class ReplyTimeoutError(ProtocolError):
    """No reply to the request within the timeout. ``reason``: one word for what was received instead."""

    def __init__(
        self, message: str, /, *, reason: str = "no_reply", hint: str | None = None, **context: object
    ) -> None:
        super().__init__(message, hint=hint, reason=None if reason == "no_reply" else reason, **context)
        self.reason = reason


class AmbiguousReplyError(ProtocolError):
    """The reply cannot be assigned to a request; it was discarded."""


class MalformedReplyError(ProtocolError):
    """The reply is intact and belongs to the request, but its content is invalid."""


class DeviceError(RiglogError):
    """Communication works, but the instrument reports a problem or is not the expected one."""


class DeviceRefusedError(DeviceError):
    """The instrument replied with an error code."""

    def __init__(
        self, message: str, /, *, code: int | str | None = None, hint: str | None = None, **context: object
    ) -> None:
        super().__init__(message, hint=hint, code=code, **context)
        self.code = code


class WrongInstrumentError(DeviceError):
    """A different instrument responds."""


class UnsupportedError(DeviceError):
    """This instrument or protocol does not provide it."""


class LinkNotChangedError(DeviceError):
    """Communication settings were changed, and the instrument does not respond with the new ones."""


class WriteRefusedError(RiglogError):
    """A change of the instrument was refused by riglog. Nothing was sent."""


class ConfirmationError(WriteRefusedError):
    """The call changes the instrument and needs ``confirm=True``."""


class StorageError(RiglogError):
    """Rows cannot be stored or read back."""


class NotARecordingError(StorageError):
    """The file is not a riglog recording. It was not modified."""


class NewerSchemaError(StorageError):
    """The file was written by a newer riglog. It was not modified."""


@contextmanager
def error_context(**context: object) -> Iterator[None]:
    """Add context that only the outer layer knows to each RiglogError that passes. Existing keys are kept."""
    known = {key: value for key, value in context.items() if value is not None}
    try:
        yield
    except RiglogError as error:
        error.context = known | error.context
        raise
    except ExceptionGroup as group:
        for each in group.exceptions:
            if isinstance(each, RiglogError):
                each.context = known | each.context
        raise


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean 'setpoint'? `` for the beginning of a hint, or nothing if no known name is similar.

    The first word of several names, such as ``modbus``, gives all of them.
    """
    from difflib import get_close_matches  # not at the top: only mistakes need it

    names = {each.lower(): each for each in known}
    variants = [repr(each) for lower, each in names.items() if lower.startswith(f"{name.lower()}-")]
    if name and len(variants) > 1:
        return f"Did you mean {', '.join(variants[:-1])} or {variants[-1]}? "
    close = get_close_matches(name.lower(), names, 1)
    return f"Did you mean {names[close[0]]!r}? " if close else ""


THREAD_HINT = "Free memory, or raise the limit of threads: `ulimit -u`, or TasksMax= of systemd"


MEMORY_HINT = "Free memory, or raise its limit: `ulimit -v`, or MemoryMax= of systemd"


def is_without_threads(error: RuntimeError) -> bool:
    """True if the operating system did not start a thread: too little memory, or the limit of threads is reached."""
    return "start new thread" in str(error)


def describe(error: BaseException) -> str:
    """Return an exception in one line, with its type."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _place(context: dict[str, object]) -> list[str]:
    """Remove device, port and address from ``context``; return them as one text, or nothing."""
    names = [str(context.pop(key)) for key in ("device", "port") if key in context]
    if "address" in context:
        names.append(f"address {context.pop('address')}")
    if not names:
        return []
    head, *details = names
    return [f"{head} ({', '.join(details)})" if details else head]


def _shown(value: object) -> str:
    if not isinstance(value, (bytes, bytearray)):
        return str(value)
    if len(value) <= SHOWN_BYTES:
        return value.hex(" ")
    return f"{value[:SHOWN_BYTES].hex(' ')} … ({len(value)} bytes)"
