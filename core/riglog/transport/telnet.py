"""Telnet (RFC 854, 855, 1143) as far as device servers use it: data, and commands in between. Pure: nothing is opened.

Source: RFC 854 for the commands, RFC 1143 for when a request for an option is answered.
"""

from msgspec import Struct

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
BINARY, SUPPRESS_GO_AHEAD = 0, 3
LONGEST_COMMAND = 256
"""Bytes of one command. Longer ones are the data of a peer that does not use Telnet."""


class TelnetError(ValueError):
    """The input is not Telnet."""


class OptionSettled(Struct, frozen=True):
    """The peer accepted or refused an option; ``ours`` if it is about what this end sends."""

    option: int
    ours: bool
    accepted: bool


class Subnegotiation(Struct, frozen=True):
    """The parameters of an option, without the framing."""

    option: int
    content: bytes


def escaped(data: bytes) -> bytes:
    """Return data as it is sent: each byte 255 twice."""
    return data.replace(b"\xff", b"\xff\xff")


def subnegotiation(option: int, content: bytes) -> bytes:
    """Return the command that carries the parameters of an option."""
    return bytes((IAC, SB, option)) + escaped(content) + bytes((IAC, SE))


Item = bytes | OptionSettled | Subnegotiation


class Telnet:
    """One end of a connection, which wants some options and refuses all others.

    Args:
        ours: options of what this end sends.
        theirs: options of what the peer sends.
    """

    def __init__(self, ours: frozenset[int], theirs: frozenset[int]) -> None:
        self._ours, self._theirs = ours, theirs
        self._settled: dict[tuple[bool, int], bool] = {}
        self._held = b""
        self.answers = bytearray()
        """What is to be sent to the peer; whoever sends it clears it."""

    def requests(self) -> bytes:
        """Return the requests for all wanted options."""
        pairs = [(WILL, option) for option in sorted(self._ours)] + [(DO, option) for option in sorted(self._theirs)]
        return b"".join(bytes((IAC, word, option)) for word, option in pairs)

    def receive(self, data: bytes) -> list[Item]:
        """Return data and commands in their order; an incomplete command is kept for the next call.

        Raises:
            TelnetError: a command is malformed or too long.
        """
        data = self._held + data
        items: list[Item] = []
        start = 0
        self._held = b""
        while (at := data.find(IAC, start)) >= 0:
            if at > start:
                items.append(data[start:at])
            start = self._command_at(data, at, items)
            if start < 0:
                self._held = data[at:]
                if len(self._held) > LONGEST_COMMAND:
                    raise TelnetError
                return items
        if start < len(data):
            items.append(data[start:])
        return items

    def _command_at(self, data: bytes, at: int, items: list[Item]) -> int:
        """Take the command at a position; return the position after it, or -1 if it is not complete."""
        command, argument = data[at + 1 : at + 2], data[at + 2 : at + 3]
        if not command:
            return -1
        if command[0] == IAC:
            items.append(command)
            return at + 2
        if command[0] < SB:
            return at + 2  # of one byte, such as NOP; nothing here depends on them
        if not argument:
            return -1
        if command[0] != SB:
            self._option(command[0], argument[0], items)
            return at + 3
        return self._parameters(data, at, items)

    def _parameters(self, data: bytes, at: int, items: list[Item]) -> int:
        position = at + 3
        while (position := data.find(IAC, position)) >= 0:
            follows = data[position + 1 : position + 2]
            if not follows:
                return -1
            if follows[0] == SE:
                content = data[at + 3 : position].replace(b"\xff\xff", b"\xff")
                if len(content) > LONGEST_COMMAND:
                    raise TelnetError
                items.append(Subnegotiation(data[at + 2], content))
                return position + 2
            if follows[0] != IAC:
                raise TelnetError
            position += 2
        return -1

    def _option(self, word: int, option: int, items: list[Item]) -> None:
        ours, accepted = word in (DO, DONT), word in (DO, WILL)
        known = self._settled.get((ours, option))
        if known == accepted:
            return  # nothing new, and an answer to an answer would never end
        wanted = option in (self._ours if ours else self._theirs)
        self._settled[ours, option] = accepted and wanted
        if wanted:
            items.append(OptionSettled(option, ours, accepted))
        if known is not None if wanted else accepted:  # the first about a wanted option is the reply to the request
            yes, no = (WILL, WONT) if ours else (DO, DONT)
            self.answers += bytes((IAC, yes if accepted and wanted else no, option))
