"""What the wire of an instrument provides, and which one a configuration selects: there is only one.

The class in ``lines`` does not import this file, which imports it.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from riglog.instrument import Description, Raw, Reading
from riglog.protocol import HeldLine
from riglog_ascii.config import AsciiConfig
from riglog_ascii.description import Read
from riglog_ascii.lines.protocol import LineProtocol
from riglog_ascii.samples import AsciiQuantity


class ReadProtocol(Protocol):
    """Reads and writes the quantities of one instrument."""

    reads: list[Read]

    def groups(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the quantities by their reads."""

    async def read(
        self, line: HeldLine[Any, Any], names: Sequence[str], *, retries: int | None = None
    ) -> dict[str, Reading]:
        """Send the request that reads these quantities."""

    async def write(self, line: HeldLine[Any, Any], name: str, raw: Raw) -> None:
        """Write a quantity, once."""


def protocol_for(config: AsciiConfig, description: Description[AsciiQuantity], timeout: float | None) -> ReadProtocol:
    """Return the protocol of an instrument."""
    return LineProtocol(config, description, timeout)
