"""Serial ports. The only file that imports pyserial: it opens and configures, the bytes move without it.

On POSIX the file descriptor is read and written without blocking, trying first and waiting only when there is
nothing; VMIN must be 1, or an empty read could not be told from a hang-up (``inter_byte_timeout=0.0`` does that).
"""

import errno
import os
import re
import sys
from typing import Any

import anyio
import anyio.to_thread
from msgspec import Struct

from riglog.errors import PortBusyError, PortDeniedError, PortError, PortNotFoundError
from riglog.transport.base import Transport
from riglog.transport.link import Link
from riglog.transport.nonblocking import CHUNK, NonblockingTransport
from riglog.transport.serial_windows import READ_SECONDS, ThreadedSerialTransport

READY: dict[str, Any] = {"timeout": 0, "write_timeout": 0, "exclusive": True, "inter_byte_timeout": 0.0}
_TERMIOS = re.compile(r"\((\d+), '(.*)'\)$")
THREADED: dict[str, Any] = {"timeout": READ_SECONDS, "write_timeout": 2.0}


async def open_serial(port: str, link: Link, *, name: str | None = None) -> Transport:
    """Open and configure a serial port, exclusively.

    Args:
        port: what the operating system calls it.
        name: what the user calls it, for messages; default ``port``.

    Raises:
        PortNotFoundError, PortBusyError, PortDeniedError, PortError: it cannot be opened.
    """
    shown = name or port
    how = THREADED if sys.platform == "win32" else READY
    # Opening may block in the driver, so it happens in a thread; shielded, so that no opened port is ever lost.
    opened = None
    with anyio.CancelScope(shield=True):
        opened = await anyio.to_thread.run_sync(_open, port, link, shown, how)
    return ThreadedSerialTransport(opened, shown) if sys.platform == "win32" else SerialTransport(opened, shown)


def _open(port: str, link: Link, shown: str, how: dict[str, Any]) -> Any:
    import serial

    opened = serial.Serial(
        baudrate=link.baudrate,
        bytesize=link.bytesize,
        parity=link.parity,
        stopbits=link.stopbits,
        rtscts=link.rtscts,
        xonxoff=link.xonxoff,
        **how,
    )
    opened.port = port
    if link.dtr is not None:
        opened.dtr = link.dtr
    if link.rts is not None:
        opened.rts = link.rts
    try:
        opened.open()
        if how is READY and link.parity != "N":
            _check_parity(opened.fileno())
    except Exception as error:  # termios.error is neither an OSError nor a SerialException
        opened.close()
        raise _opening_error(error, shown) from error
    return opened


def _check_parity(fd: int) -> None:
    """Have the kernel read a character of wrong parity as NUL: text without a checksum has nothing but its parity.

    pyserial leaves the check off, and then a digit that lost a bit is read as another digit.
    """
    import termios

    attributes = termios.tcgetattr(fd)
    attributes[0] |= termios.INPCK
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _opening_error(error: Exception, port: str) -> PortError:
    """A foreign error at opening, in riglog's words."""
    code = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    text = str(error)
    # What termios.error said, pyserial says as a text.
    if not isinstance(code, int) and (told := _TERMIOS.search(text)):
        code, text = int(told[1]), told[2]
    if code in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or "FileNotFoundError" in text:
        hint = "is the adapter plugged in? `riglog discover` lists the ports of this machine"
        return PortNotFoundError("no such port", hint=hint, port=port)
    if code in (errno.EAGAIN, errno.EBUSY, errno.EWOULDBLOCK):
        return PortBusyError("port is in use by another program", hint="close it there, then try again", port=port)
    if code in (errno.EACCES, errno.EPERM) or "PermissionError" in text:
        hint = "on Linux: `sudo usermod -aG dialout $USER`, then log in again; on Windows: close the other program"
        return PortDeniedError("permission denied", hint=hint, port=port)
    if code in (errno.ENOTTY, errno.EISDIR):
        return PortError("this is no serial port", hint="check the path; `riglog discover` looks for ports", port=port)
    if code == errno.EINVAL:
        hint = "another baudrate, parity or stopbits; many adapters do not have all of them"
        return PortError(f"the port does not take these serial settings: {text}", hint=hint, port=port)
    return PortError(f"cannot open: {text}", hint="check the port and its settings", port=port)


class SerialPort(Struct, frozen=True):
    """A serial port of this machine; ``usb`` is the serial number of its adapter, for ``usb:SERIAL``."""

    device: str
    description: str
    usb: str | None


def serial_ports() -> list[SerialPort]:
    """The serial ports of this machine. Nothing is opened."""
    from serial.tools.list_ports import comports

    return [SerialPort(port.device, port.description, port.serial_number or None) for port in sorted(comports())]


def usb_device(serial_number: str) -> str:
    """The device path behind a USB serial number, looked up now.

    Raises:
        PortNotFoundError: no adapter of that serial number is plugged in; the hint lists those that are.
    """
    found = {port.usb: port.device for port in serial_ports() if port.usb}
    if serial_number not in found:
        hint = f"plugged in: {', '.join(sorted(found)) or 'no USB serial adapter'}"
        raise PortNotFoundError("no USB adapter of that serial number", hint=hint, port=f"usb:{serial_number}")
    return found[serial_number]


class SerialTransport(NonblockingTransport):
    """A serial port on POSIX."""

    hint = "check cable and adapter"

    def __init__(self, opened: Any, port: str) -> None:
        super().__init__(port, opened)
        self._serial = opened

    def _read(self) -> bytes:
        return os.read(self._fd, CHUNK)

    def _write(self, data: memoryview) -> int:
        return os.write(self._fd, data)

    def _close(self) -> None:
        self._serial.close()
