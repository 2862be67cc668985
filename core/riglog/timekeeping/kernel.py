"""What the Linux kernel knows of its clock: adjtimex(2), asked only, with ``modes`` 0."""

import ctypes
import sys
from typing import NamedTuple

UNSYNCHRONIZED, IN_NANOSECONDS = 0x0040, 0x2000
"""Bits of ``status``: STA_UNSYNC and STA_NANO."""
ERROR_STATE = 5
"""What adjtimex returns of a clock that is not synchronised: TIME_ERROR."""


class KernelClock(NamedTuple):
    """``offset_ns`` is what is left to be corrected; ``most_error_us`` is the bound, ``error_us`` the estimate."""

    state: int
    status: int
    offset_ns: int
    most_error_us: int
    error_us: int

    @property
    def synchronized(self) -> bool:
        return self.state != ERROR_STATE and not self.status & UNSYNCHRONIZED


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux, with room for what newer kernels append."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 64),
    )


def kernel_clock() -> KernelClock | None:
    """Return it; None on other systems, or where it is not permitted."""
    if sys.platform != "linux":
        return None
    asked = _Timex()  # all zero: modes 0 changes nothing
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    scale = 1 if asked.status & IN_NANOSECONDS else 1000
    return KernelClock(state, asked.status, asked.offset * scale, asked.maxerror, asked.esterror)
