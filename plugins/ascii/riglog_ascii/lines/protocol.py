"""One instrument with requests and replies: which request reads which quantities."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import structs

from riglog.instrument import Description, Raw, Reading
from riglog.model import Stamp
from riglog.protocol import HeldLine
from riglog_ascii.config import AsciiConfig
from riglog_ascii.description import Read, errors_of, has_address, line_of, reads_of
from riglog_ascii.lines.codec import AsciiReply, AsciiRequest
from riglog_ascii.samples import AsciiQuantity, raw_of, sent_text
from riglog_ascii.templates import Template, decimals_of, parse

TIMEOUT = 0.5
"""Seconds, unless ``timeout`` is configured or in the file."""


def address_text(config: AsciiConfig, description: Description[AsciiQuantity]) -> str:
    """Return the address as it stands in requests."""
    return f"{config.address or 0:0{line_of(description).address_digits}}"


class LineProtocol:
    """Reads with one request each, and writes single quantities."""

    def __init__(self, config: AsciiConfig, description: Description[AsciiQuantity], timeout: float | None) -> None:
        line = line_of(description)
        self.description = description
        self.quantities = description.quantities
        self.address = address_text(config, description)
        self.reads = reads_of(description, self.address)
        self._retries = config.retries
        self._timeout = timeout or line.timeout or TIMEOUT
        self._errors = errors_of(description, self.address)
        self._end = line.terminator.encode("latin-1")
        self._reply_end = line.reply_end.encode("latin-1")
        self._check = line.check
        self._requests = self._all_requests()

    @property
    def requests(self) -> Mapping[str, AsciiRequest]:
        """The requests of the reads, by the name of the read."""
        return self._requests

    def groups(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the quantities by their reads."""
        groups = (tuple(name for name in names if name in read.fields) for read in self.reads)
        return [group for group in groups if group]

    async def read(
        self, line: HeldLine[Any, Any], names: Sequence[str], *, retries: int | None = None
    ) -> dict[str, Reading]:
        """Send the request that reads these quantities.

        Raises:
            ProtocolError, InstrumentRefusedError: no reply, or an error reply.
        """
        read = next(read for read in self.reads if names[0] in read.fields)
        reply, stamp = await line.transact(
            self._requests[read.name], timeout=self._timeout, retries=self._retries if retries is None else retries
        )
        return readings_of(reply, stamp, read, self.quantities)

    async def write(self, line: HeldLine[Any, Any], name: str, raw: Raw) -> None:
        """Write a quantity, once."""
        quantity = self.quantities[name]
        assert quantity.writable is not None
        template = parse(quantity.writable.request, plain=True)
        text = template.filled(address=self.address, value=sent_text(quantity, raw)).render({})
        replies = tuple(parse(reply).filled(address=self.address) for reply in quantity.writable.replies)
        request = self._request(text, replies, repeatable=False)
        if replies:
            await line.transact(request, timeout=self._timeout, retries=0)
        else:
            await line.send_without_reply(request)

    def _request(self, text: str, replies: tuple[Template, ...], **keys: Any) -> AsciiRequest:
        line = text.encode("latin-1")
        frame = (line if self._check is None else self._check.added(line)) + self._end
        lines = max((len(reply.lines) for reply in replies), default=1)
        keys |= {"end": self._reply_end, "errors": self._errors, "check": self._check, "lines": lines}
        return AsciiRequest(frame=frame, replies=replies, **keys)

    def _all_requests(self) -> dict[str, AsciiRequest]:
        polled = [read for read in self.reads if read.request is not None]
        signatures = _signatures(polled)
        carried = has_address(self.description) and all(
            self.address in _literals(template) for read in polled for template in read.replies
        )
        address = self.address if carried else None
        if has_address(self.description) and not carried:
            signatures = dict.fromkeys(signatures, "")  # a reply may be that of another instrument on the line
        made = {
            read.name: self._request(
                read.request.render({}),
                read.replies,
                instead=read.instead,
                address=address,
                signature=signatures[read.name],
            )
            for read in polled
            if read.request is not None
        }
        return {
            name: structs.replace(request, others=tuple(_others(request, made.values())))
            for name, request in made.items()
        }


def _others(request: AsciiRequest, requests: Iterable[AsciiRequest]) -> Iterator[AsciiRequest]:
    """Yield a read of each other signature."""
    seen = {request.signature}
    for other in requests:
        if other.signature not in seen:
            seen.add(other.signature)
            yield other


def readings_of(
    reply: AsciiReply, stamp: Stamp, read: Read, quantities: Mapping[str, AsciiQuantity]
) -> dict[str, Reading]:
    """Return the readings of a reply; if it has no value, of every quantity of its read."""
    payload = reply.line.encode("latin-1", "replace")
    if reply.instead is not None:
        return {name: Reading(None, stamp, payload, reply.instead) for name in read.fields}
    return {
        name: Reading(
            raw_of(quantities[name].kind, text),
            stamp,
            payload,
            decimals=decimals_of(text) if quantities[name].kind == "number" else None,
        )
        for name, text in reply.fields
        if name in quantities
    }


def _signatures(reads: Sequence[Read]) -> dict[str, str]:
    """Return a text for each read, equal where two replies can be confused: the same first word, or an unknown one."""
    words: dict[str, set[str | None]] = {
        read.name: {
            line.first_word
            for one in (*read.replies, *(template for template, _ in read.instead))
            for line in one.lines
        }
        for read in reads
    }
    if any(None in some for some in words.values()):
        return dict.fromkeys(words, "")
    groups: list[set[str | None]] = []
    for some in words.values():
        joined = set(some).union(*(group for group in groups if group & some))
        groups = [group for group in groups if not group & some] + [joined]
    return {
        name: " ".join(sorted(str(word) for word in next(group for group in groups if group & some)))
        for name, some in words.items()
    }


def _literals(template: Template) -> str:
    return " ".join(part for part in template.parts if isinstance(part, str))
