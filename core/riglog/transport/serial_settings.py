"""Settings of an open serial port that pyserial does not care for: the only file of the transports that uses termios.

Some adapters accept every setting and ignore a part of it, so they are read back.
"""

import os
import sys

from riglog.transport.link import Link

PSEUDO_TERMINALS = ("/dev/pts/", "/dev/ttys", "/dev/ttyp")
"""On Linux, macOS and BSD. They have no line: parity and number of data bits have no meaning, and are never set."""


def check_parity(fd: int) -> None:
    """Let the kernel replace a character with a parity error by NUL.

    pyserial does not enable this check. Without it a corrupted digit is read as another digit, if the protocol has no
    checksum.
    """
    if sys.platform == "win32":
        return
    import termios

    attributes = termios.tcgetattr(fd)
    attributes[0] |= termios.INPCK
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def ignored_settings(fd: int, link: Link) -> list[str]:
    """Return parity and number of data bits as phrases, if the open port works with others; empty on Windows."""
    if sys.platform == "win32" or _is_pseudo_terminal(fd):
        return []
    import termios

    flags = termios.tcgetattr(fd)[2]
    bits = {termios.CS5: 5, termios.CS6: 6, termios.CS7: 7, termios.CS8: 8}[flags & termios.CSIZE]
    checked = bool(flags & termios.PARENB)
    odd = checked and bool(flags & termios.PARODD)
    wanted_odd = link.parity in ("O", "M")
    ignored = [f"bytesize = {link.bytesize}"] if bits != link.bytesize else []
    if (checked, odd) != (link.parity != "N", wanted_odd):
        ignored.append(f'parity = "{link.parity}"')
    return ignored


def _is_pseudo_terminal(fd: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        return os.ttyname(fd).startswith(PSEUDO_TERMINALS)
    except OSError:
        return False
