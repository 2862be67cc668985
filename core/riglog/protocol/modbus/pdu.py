"""Function codes, and what the reply to a request must look like. Pure functions over bytes."""

import struct
from collections.abc import Container, Iterator
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

READ_BITS = frozenset({1, 2})
READ_REGISTERS = frozenset({3, 4})
READS = READ_BITS | READ_REGISTERS
ECHOED = frozenset({5, 6, 8})
WRITES_MANY = frozenset({15, 16})
SUPPORTED = READS | ECHOED | WRITES_MANY
FUNCTION_NAMES = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write single coil",
    6: "write single register",
    8: "diagnostics (loopback)",
    15: "write multiple coils",
    16: "write multiple registers",
}
REPEATABLE = READS | {8}
"""Functions that change nothing in the server."""

EXCEPTION = 0x80
MAX_BITS = 2000
MAX_REGISTERS = 125
MOST_FURTHER = 16
"""Further registers, or bytes of bits, that variants of a read ask for: each costs time on the line."""


class ModbusRequest(Struct, frozen=True, cache_hash=True):
    """A request to one unit identifier; ``pdu`` is function code and data.

    Attributes:
        spare: for a read, the number of registers or bits behind the last one that are safe to read as well.
        stands_for: for a variant, the PDU of the request itself.
    """

    unit: int
    pdu: bytes
    spare: int = 0
    stands_for: bytes | None = None

    @property
    def function(self) -> int:
        return self.pdu[0]


class Expected(NamedTuple):
    """The reply to a request begins with ``prefix`` and is ``length`` bytes long, function code included."""

    unit: int
    prefix: bytes
    length: int

    @property
    def exception_reply(self) -> "Expected":
        """The exception that is a reply to the same request."""
        return Expected(self.unit, bytes([self.prefix[0] | EXCEPTION]), 2)

    def matches(self, unit: int, pdu: bytes) -> bool:
        return unit == self.unit and len(pdu) == self.length and pdu.startswith(self.prefix)


def is_supported(pdu: bytes) -> bool:
    """Return True if the form of the reply is known. Of the diagnostics, only the loopback of two bytes is."""
    return pdu[0] in SUPPORTED and (pdu[0] != 8 or (len(pdu) == 5 and pdu[1:3] == b"\0\0"))


@lru_cache(maxsize=1024)
def expected_reply(request: ModbusRequest) -> Expected:
    """Return everything that can be compared: unit, function, byte count, or the repeated data of a write."""
    pdu = request.pdu
    function = pdu[0]
    if function in READS:
        count = int.from_bytes(pdu[3:5], "big")
        size = count * 2 if function in READ_REGISTERS else (count + 7) // 8
        return Expected(request.unit, bytes([function, size]), 2 + size)
    echoed = pdu if function in ECHOED else pdu[:5]
    return Expected(request.unit, echoed, len(echoed))


@lru_cache(maxsize=1024)
def read_request(unit: int, function: int, start: int, count: int, spare: int = 0) -> ModbusRequest:
    """Return the request to read registers or bits.

    Raises:
        struct.error: a number does not fit its place.
    """
    return ModbusRequest(unit, struct.pack(">BHH", function, start, count), spare)


def registers_in(reply: bytes) -> tuple[int, ...]:
    """Return the registers in the reply to a read of registers."""
    return struct.unpack_from(f">{reply[1] // 2}H", reply, 2)


def bits_in(reply: bytes) -> list[bool]:
    """Return the bits in the reply to a read of bits, those that fill the last byte included."""
    number = int.from_bytes(reply[2:], "little")
    return [bool(number >> place & 1) for place in range(8 * reply[1])]


@lru_cache(maxsize=1024)
def variants(request: ModbusRequest, both_tables: bool = False) -> tuple[ModbusRequest, ...]:
    """Return the variants of a read: it and further registers, each count with a reply of another length.

    Args:
        both_tables: the server has the same values as holding registers and as input registers.
    """
    pdu, function = request.pdu, request.function
    if request.stands_for is not None or function not in READS:
        return (request,)
    step, most = (8, MAX_BITS) if function in READ_BITS else (1, MAX_REGISTERS)
    count = int.from_bytes(pdu[3:5], "big")
    counts = range(count, min(count + min(request.spare, MOST_FURTHER * step), most) + 1, step)
    functions = (3, 4) if both_tables and function == 3 else (function,)
    reads = [bytes([one]) + pdu[1:3] + number.to_bytes(2, "big") for number in counts for one in functions]
    return (request, *(ModbusRequest(request.unit, read, stands_for=pdu) for read in reads[1:]))


def without_surplus(request: ModbusRequest, reply: bytes) -> bytes:
    """Return the reply to a variant as the reply to the request that it stands for."""
    if request.stands_for is None:
        return reply
    expected = expected_reply(ModbusRequest(request.unit, request.stands_for))
    return expected.prefix + reply[len(expected.prefix) : expected.length]


def reply_size(pdu: bytes) -> int | None:
    """Return the length of the reply that starts like this, by its byte count; 0: unknown function, None: too short."""
    if not pdu:
        return None
    function = pdu[0]
    if function & EXCEPTION:
        return 2 if function ^ EXCEPTION in SUPPORTED else 0
    if function in READS:
        return 2 + pdu[1] if len(pdu) > 1 else None
    return 5 if function in SUPPORTED else 0


def request_size(pdu: bytes) -> int | None:
    """Return the length of the request that starts like this; 0: unknown function, None: too short."""
    if not pdu:
        return None
    if pdu[0] in WRITES_MANY:
        return 6 + pdu[5] if len(pdu) > 5 else None
    return 5 if pdu[0] in SUPPORTED else 0


def nearby_reads(request: ModbusRequest) -> Iterator[ModbusRequest]:
    """Yield reads at the same register or bit in other sizes, the smallest first; for a loopback, other test data."""
    pdu = request.pdu
    if pdu[0] == 8:
        yield from (
            ModbusRequest(request.unit, b"\x08\0\0" + data.to_bytes(2, "big")) for data in range(0x5500, 0x5600)
        )
        return
    function = pdu[0] if pdu[0] in READS else 1 if pdu[0] in (5, 15) else 3
    counts = range(1, MAX_BITS, 8) if function in READ_BITS else range(1, MAX_REGISTERS + 1)
    for count in counts:
        yield ModbusRequest(request.unit, bytes([function]) + pdu[1:3] + count.to_bytes(2, "big"))


def distinguishable_read(request: ModbusRequest, confusable: Container[object]) -> ModbusRequest | None:
    """Return the first of the nearby reads whose reply cannot be confused with any of ``confusable``; None: none."""
    return next((read for read in nearby_reads(request) if expected_reply(read) not in confusable), None)
