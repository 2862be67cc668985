"""Serial ports. The only file that imports pyserial, which opens and configures the port.

On POSIX the file descriptor is then read and written directly, without blocking. VMIN must be 1, because otherwise an
empty read cannot be distinguished from a hang-up (``inter_byte_timeout=0.0`` sets it).
"""

import errno
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from msgspec import Struct

from riglog.errors import (
    THREAD_HINT,
    PortBusyError,
    PortDeniedError,
    PortError,
    PortNotFoundError,
    PortSettingsError,
    is_without_threads,
)
from riglog.log import get_logger
from riglog.transport.base import Transport
from riglog.transport.link import Link
from riglog.transport.nonblocking import CHUNK, NonblockingTransport
from riglog.transport.serial_settings import check_parity, ignored_settings
from riglog.transport.thread_call import ThreadCall, start_daemon

NONBLOCKING_ARGS: dict[str, Any] = {"timeout": 0, "write_timeout": 0, "exclusive": True, "inter_byte_timeout": 0.0}
READ_SECONDS = 0.05
"""Of a blocking read; see ``serial_windows``."""
BLOCKING_ARGS: dict[str, Any] = {"timeout": READ_SECONDS, "write_timeout": 2.0}
OPEN_SECONDS = 10.0
"""A serial port over Bluetooth needs some seconds."""
BLOCKED_HINT = "Unplug the adapter and plug it in again, or switch the instrument on"
CLOSE_SECONDS = 0.5
"""For what was sent before the port is closed: 60 bytes at 1200 baud."""
CLOSE_BLOCKS_SECONDS = 1.0
"""For the operating system to close a port. A driver that takes longer goes on in its thread."""
POLL_SECONDS = 0.01
PSEUDO_TERMINALS = ("/dev/pts/", "/dev/ttys")
WITHOUT_LINE_TIME = (*PSEUDO_TERMINALS, "/dev/ttyACM", "/dev/tty.usbmodem", "/dev/cu.usbmodem")
PIPES = ("pipe_abort_read_w", "pipe_abort_read_r", "pipe_abort_write_w", "pipe_abort_write_r")
"""Of an open port of pyserial on POSIX."""
_closing: dict[str, ThreadCall[None]] = {}
"""By port: where the driver blocked."""
log = get_logger("riglog.transport")
_opening: dict[str, ThreadCall[Any]] = {}
"""By port: the attempt under way, also one that was given up and still blocks."""


async def open_serial(port: str, link: Link, *, name: str | None = None, read_only: bool = False) -> Transport:
    """Open and configure a serial port, exclusively.

    Args:
        port: name of the port in the operating system.
        name: name of the port as the user wrote it, for messages; default ``port``.
        read_only: the operating system refuses to write to it; on POSIX.

    Raises:
        PortNotFoundError, PortBusyError, PortDeniedError, PortError: the port cannot be opened.
    """
    shown = name or port
    args = BLOCKING_ARGS if sys.platform == "win32" else NONBLOCKING_ARGS
    opened = await _open_in_thread(port, lambda: _open(port, link, shown, args, read_only), shown)
    if sys.platform != "win32":
        return SerialTransport(opened, shown)
    from riglog.transport.serial_windows import ThreadedSerialTransport

    return ThreadedSerialTransport(opened, shown)


async def _open_in_thread(port: str, open_: Callable[[], Any], shown: str) -> Any:
    """Return the open port. A driver of the operating system may block: a port that opens too late is closed again.

    Raises:
        PortError: it does not open in time, or an earlier attempt still blocks: it must not collect threads.
    """
    if port in _opening and not _opening[port].ended:
        raise PortError("port does not open: an earlier attempt still blocks", hint=BLOCKED_HINT, port=shown)
    if port in _closing and not _closing[port].ended:
        raise PortError("port does not open: closing it still blocks", hint=BLOCKED_HINT, port=shown)
    _closing.pop(port, None)
    call = _opening[port] = ThreadCall(open_, discard=_close_late)
    try:
        start_daemon(call.run, name="riglog-open-port")
        with anyio.fail_after(OPEN_SECONDS):
            await call.done.wait()
    except RuntimeError as error:
        call.abandon()
        if not is_without_threads(error):
            raise
        raise PortError(
            "cannot open the port: the system starts no more threads", hint=THREAD_HINT, port=shown
        ) from error
    except TimeoutError:
        call.abandon()
        raise PortError(f"port does not open within {OPEN_SECONDS:g} s", hint=BLOCKED_HINT, port=shown) from None
    except BaseException:
        call.abandon()
        raise
    _opening.pop(port, None)
    return call.result()


def _close_late(opened: Any) -> None:
    with suppress(Exception):  # nobody uses it
        close_port(opened)


def close_port(opened: Any) -> None:
    """Close an open port, in a thread: the driver of the operating system may block.

    The descriptor is free also if closing it fails. pyserial would keep its number, and close it once more when the
    object is collected: by then it can be that of another file.

    Raises:
        OSError: as the operating system reports it; the port is closed.
    """
    try:
        opened.close()
    except OSError:
        opened.fd, opened.is_open = None, False
        for name in PIPES:
            if (pipe := getattr(opened, name, None)) is not None:
                setattr(opened, name, None)
                with suppress(OSError):
                    os.close(pipe)
        raise


def _open(port: str, link: Link, shown: str, args: dict[str, Any], read_only: bool) -> Any:
    import serial

    opened = serial.Serial(
        baudrate=link.baudrate,
        bytesize=link.bytesize,
        parity=link.parity,
        stopbits=link.stopbits,
        rtscts=link.rtscts,
        xonxoff=link.xonxoff,
        **args,
    )
    opened.port = port
    if link.dtr is not None:
        opened.dtr = link.dtr
    if link.rts is not None:
        opened.rts = link.rts
    try:
        opened.open()
        if args is NONBLOCKING_ARGS and link.parity != "N":
            check_parity(opened.fileno())
        if args is NONBLOCKING_ARGS:
            _refuse_ignored_settings(opened.fileno(), link, shown)
        if read_only:
            _forbid_writing(opened)
    except PortError:
        _close_late(opened)
        raise
    except Exception as error:  # termios.error is neither an OSError nor a SerialException
        _close_late(opened)
        raise _opening_error(error, shown) from error
    return opened


def _forbid_writing(opened: Any) -> None:
    """Put a file descriptor that can only read in the place of that of an open port, which stays locked."""
    if sys.platform == "win32":
        return
    reading = os.open(opened.port, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.dup2(reading, opened.fileno())
    finally:
        os.close(reading)
    opened.exclusive = True  # locks the new one


def _terminal_name(fd: int) -> str:
    """Return the name of a port in the operating system; empty if it has none."""
    if sys.platform == "win32":
        return ""
    try:
        return os.ttyname(fd)
    except OSError:
        return ""


def _refuse_ignored_settings(fd: int, link: Link, shown: str) -> None:
    """Raise PortSettingsError if the port works with another parity, or another number of data bits."""
    if ignored := ignored_settings(fd, link):
        raise PortSettingsError(
            f"the port ignores {' and '.join(ignored)}",
            hint="Use another adapter, or set the instrument and this device to settings that the port has",
            port=shown,
        )


def _opening_error(error: Exception, port: str) -> PortError:
    """Return the riglog error for an error of pyserial or the operating system."""
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    code = number if isinstance(number, int) else None
    text = str(error)
    # pyserial turns a termios.error into a text.
    refused_settings = re.search(r"\((\d+), '.*'\)$", text)
    if refused_settings:
        code = int(refused_settings[1])
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or "FileNotFoundError" in text:
        hint = "Check that the adapter is plugged in; `riglog discover` scans the ports of this machine"
        return PortNotFoundError("port not found", hint=hint, port=port)
    if code in (errno.EAGAIN, errno.EBUSY, errno.EWOULDBLOCK) and not refused_settings:
        hint = "Close it in the other program, then retry"
        return PortBusyError("port in use by another program", hint=hint, port=port)
    if code in (errno.EACCES, errno.EPERM) or "PermissionError" in text:
        hint = (
            "Linux: `sudo usermod -aG dialout $USER`, then log in again. Windows: close the program that uses the port"
        )
        return PortDeniedError("permission denied", hint=hint, port=port)
    if code in (errno.ENOTTY, errno.EISDIR):
        hint = "Check the path; `riglog discover` scans the ports of this machine"
        return PortError("not a serial port", hint=hint, port=port)
    if code == errno.EINVAL or isinstance(error, ValueError):  # pyserial: a baud rate that the system does not have
        hint = "Change baudrate, parity or stopbits; many adapters support only some combinations"
        reason = os.strerror(code) if code == errno.EINVAL else text
        return PortSettingsError(f"serial settings not supported by the port: {reason}", hint=hint, port=port)
    reason = text if code is None else os.strerror(code)
    return PortError(f"cannot open the port: {reason}", hint="Check the port name and its serial settings", port=port)


class SerialPort(Struct, frozen=True):
    """A serial port of this machine.

    Attributes:
        usb: the serial number of its USB adapter, as used in ``usb:SERIAL``; None if it has none.
        location: where the adapter is plugged in, as used in ``usb:SERIAL@LOCATION``: hub and socket, then the number
            of the port for an adapter with several; None if the operating system does not report it.
    """

    device: str
    description: str
    usb: str | None
    location: str | None = None


def serial_ports() -> list[SerialPort]:
    """Return the serial ports of this machine, without opening any."""
    from serial.tools.list_ports import comports

    return [
        SerialPort(port.device, port.description, port.serial_number or None, port.location or None)
        for port in sorted(comports())
    ]


def usb_device(wanted: str) -> str:
    """Return the device path of a USB adapter, looked up now.

    Args:
        wanted: ``SERIAL``, or ``SERIAL@LOCATION`` where several ports have one serial number. The beginning of a
            location is enough if one port only is there.

    Raises:
        PortNotFoundError: no such adapter is plugged in; the hint lists the adapters found.
        PortError: several ports match; the hint lists them.
    """
    serial_number, _, location = wanted.partition("@")
    adapters = [port for port in serial_ports() if port.usb]
    found = [port for port in adapters if port.usb == serial_number]
    if location:
        exact = [port for port in found if port.location == location]
        found = exact or [port for port in found if (port.location or "").startswith((f"{location}:", f"{location}."))]
    if not found:
        hint = f"USB serial adapters found: {', '.join(sorted({_usb_name(port) for port in adapters})) or 'none'}"
        raise PortNotFoundError("USB adapter with this serial number not found", hint=hint, port=f"usb:{wanted}")
    if len(found) > 1:
        each = ", ".join(f"usb:{_usb_name(port, exact=True)} ({port.device})" for port in found)
        raise PortError(
            f"{len(found)} ports have this USB serial number", hint=f"Use one of {each}", port=f"usb:{wanted}"
        )
    return found[0].device


def _usb_name(port: SerialPort, *, exact: bool = False) -> str:
    return f"{port.usb}@{port.location}" if exact and port.location else f"{port.usb}"


class SerialTransport(NonblockingTransport):
    """A serial port on POSIX."""

    hint = "Check cable and adapter"

    def __init__(self, opened: Any, port: str) -> None:
        super().__init__(port, opened)
        self._serial = opened
        name = _terminal_name(self._fd)
        self.has_line_time = bool(name) and not name.startswith(WITHOUT_LINE_TIME)
        self.may_have_uart = not name.startswith(PSEUDO_TERMINALS)

    def _read(self) -> bytes:
        return os.read(self._fd, CHUNK)

    def _write(self, data: bytes | memoryview) -> int:
        return os.write(self._fd, data)

    async def _finish_sending(self) -> None:
        """Discard what a stopped line does not send: closing the port would block for up to half a minute."""
        try:
            with anyio.move_on_after(CLOSE_SECONDS):
                while self._unsent():
                    await anyio.sleep(POLL_SECONDS)
        finally:
            if self._unsent():
                with suppress(Exception):  # the port is gone
                    self._serial.reset_output_buffer()

    def _unsent(self) -> int:
        try:
            return int(self._serial.out_waiting)
        except Exception:  # the port is gone; termios.error is not an OSError
            return 0

    async def _close(self) -> None:
        call = ThreadCall(lambda: close_port(self._serial))
        try:
            start_daemon(call.run, name="riglog-close-port")
        except RuntimeError:  # no more threads
            close_port(self._serial)
            return
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_BLOCKS_SECONDS):
            await call.done.wait()
        if not call.done.is_set():
            _closing[self._serial.port] = call
            log.warning("%s: the driver of the operating system blocks while the port is closed", self.port)
            return
        call.result()
