"""Link settings: protocol and serial settings of a port. Devices share a port only if their settings are equal."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Bytesize = Literal[7, 8]
Parity = Literal["N", "E", "O", "M", "S"]
Stopbits = Literal[1, 2]
Unit = Annotated[int, Meta(ge=0, le=255)]


STANDARD_BAUDRATES = (
    *(50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 7200, 9600, 14400, 19200, 28800, 38400, 57600),
    *(76800, 115200, 128000, 153600, 230400, 250000, 256000, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000),
    *(2000000, 2500000, 3000000, 3500000, 4000000),
)
"""What serial ports and instruments usually have. Others exist, so they are not refused."""


class Link(Struct, frozen=True, kw_only=True):
    """Protocol and serial settings with which a port is operated.

    ``echo``: the adapter returns the transmitted bytes (two-wire RS-485); they are compared with the request and
    removed. ``dtr`` and ``rts``: level to set when the port is opened; None leaves the level to the operating system.

    Late replies: ``late_reply_limit`` is the longest time in seconds for which a reply can be late; None: 10, and 60
    where a request has eight variants or more. ``strict``: wait until a late reply has arrived or cannot arrive any
    more, and confirm each reply by the next exchange. ``all_variants``: also send variants of requests that are
    documented, but not confirmed with a real instrument.

    ``accept_unit``: for Modbus TCP, further unit identifiers under which a gateway may reply.
    """

    protocol: str
    baudrate: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    bytesize: Bytesize = 8
    parity: Parity = "N"
    stopbits: Stopbits = 1
    rtscts: bool = False
    xonxoff: bool = False
    dtr: bool | None = None
    rts: bool | None = None
    echo: bool = False
    late_reply_limit: Annotated[float, Meta(gt=0, le=3600)] | None = None
    strict: bool = False
    all_variants: bool = False
    accept_unit: Unit | tuple[Unit, ...] = ()

    @property
    def bits_per_character(self) -> int:
        """Return the number of start, data, parity and stop bits of a character."""
        return 1 + self.bytesize + (self.parity != "N") + self.stopbits

    def seconds(self, characters: float) -> float:
        """Return the time in seconds that the line takes for so many characters."""
        return characters * self.bits_per_character / self.baudrate

    def differences(self, other: "Link") -> list[str]:
        """Return the settings that differ, one phrase each: ``baudrate 9600 here, 19200 there``."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)
        return [f"{name} {mine} here, {theirs} there" for name, mine, theirs in pairs if mine != theirs]
