"""How a port must be set up. Devices share a port only if their links are equal."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Bytesize = Literal[7, 8]
Parity = Literal["N", "E", "O", "M", "S"]
Stopbits = Literal[1, 2]


class Link(Struct, frozen=True, kw_only=True):
    """Wire protocol and serial settings.

    ``echo``: the adapter hands our own bytes back (two-wire RS-485); they are compared and taken off.
    ``dtr`` and ``rts``: level to set at opening, None leaves the line to the driver.
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

    @property
    def bits_per_character(self) -> int:
        """Start bit, data bits, parity bit, stop bits."""
        return 1 + self.bytesize + (self.parity != "N") + self.stopbits

    def seconds(self, characters: float) -> float:
        """Time on the wire."""
        return characters * self.bits_per_character / self.baudrate

    def differences(self, other: "Link") -> list[str]:
        """What keeps the two from sharing a port, one phrase each: ``baudrate 9600 and 19200``."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in self.__struct_fields__)
        return [f"{name} {mine} and {theirs}" for name, mine, theirs in pairs if mine != theirs]
