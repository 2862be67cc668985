"""The checksum at the end of each line, as an instrument file names it. Pure."""

from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct

from riglog.protocol.checksums import crc16, lrc, sum8, xor8

CheckKind = Literal["sum8", "xor8", "lrc8", "crc16"]
FUNCTIONS: dict[CheckKind, Callable[[Iterable[int]], int]] = {"sum8": sum8, "xor8": xor8, "lrc8": lrc, "crc16": crc16}
DIGITS: dict[CheckKind, int] = {"sum8": 2, "xor8": 2, "lrc8": 2, "crc16": 4}


class LineCheck(Struct, frozen=True):
    """Hexadecimal digits behind each line, in either direction.

    Attributes:
        mark: what stands between the line and the digits.
        skip: characters at the beginning of a line that are not included, such as ``$``.
    """

    kind: CheckKind
    mark: bytes = b""
    skip: int = 0

    @property
    def length(self) -> int:
        """Return how many characters it adds to a line."""
        return len(self.mark) + DIGITS[self.kind]

    def added(self, line: bytes) -> bytes:
        """Return a line with its checksum."""
        return line + self.mark + b"%0*X" % (DIGITS[self.kind], self._of(line))

    def removed(self, line: bytes) -> bytes | None:
        """Return a line without its checksum; None if it has none, or another one."""
        content, digits = line[: -self.length], line[-DIGITS[self.kind] :]
        is_right = digits.upper() == b"%0*X" % (DIGITS[self.kind], self._of(content))
        return content if is_right and line[len(content) : -len(digits)] == self.mark else None

    def _of(self, line: bytes) -> int:
        return FUNCTIONS[self.kind](line[self.skip :])
