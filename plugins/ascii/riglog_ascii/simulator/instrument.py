"""A simulated instrument that responds to the requests of its file, or sends its lines at intervals."""

from collections.abc import Iterator

from riglog.instrument import Description, SimulatedInstrument
from riglog.model import Channel
from riglog.simulation import Timeline, Truth, TruthfulSimulator
from riglog_ascii.description import AsciiFormat, Read, errors_of, line_of, reads_of
from riglog_ascii.samples import USUAL_DECIMALS, AsciiQuantity, raw_of, sent_text
from riglog_ascii.templates import VALUE, Field, Template, parse

LARGEST = 9999.0
INSTEAD = ".instead"


class AsciiSimulator(TruthfulSimulator):
    """One instrument. ``set("READ.instead", line)`` lets it send a line in place of the values; empty ends that."""

    def __init__(self, description: Description[AsciiQuantity], address: str) -> None:
        form, line = AsciiFormat(), line_of(description)
        self.latency = line.turnaround
        self.quantities = description.quantities
        self.reads = reads_of(description, address)
        self.instrument = SimulatedInstrument(
            self.quantities,
            {name: form.meaning(name, quantity) for name, quantity in self.quantities.items()},
            dict.fromkeys(self.quantities, (0.0, LARGEST)),
            int(address) if address.isdecimal() else 1,
            description.head.identity,
        )
        self.instrument.places = {
            name: USUAL_DECIMALS if quantity.decimals is None else quantity.decimals
            for name, quantity in self.quantities.items()
            if quantity.kind == "number"
        }
        self._address = address
        self._errors = [template.render({}) for template, _ in errors_of(description, address)]
        self._end, self._reply_end = line.terminator.encode("latin-1"), line.reply_end.encode("latin-1")
        self._check = line.check
        self._echo, self._period = line.echo, line.period
        self._instead = {read.name: Timeline("") for read in self.reads}
        self._streams = all(read.request is None for read in self.reads)
        self._writes = {name: self._write_of(name) for name, one in self.quantities.items() if one.writable}
        self._buffer = b""
        self._next: float | None = None

    def receive(self, data: bytes, now: float) -> bytes:
        self.instrument.now = now
        *requests, self._buffer = (self._buffer + data).split(self._end)
        self._buffer = self._buffer[-512:]
        received = [request if self._check is None else self._check.removed(request) for request in requests]
        sent = b"".join(self._respond(request.decode("latin-1"), now) for request in received if request is not None)
        return (data + sent) if self._echo else sent

    def idle(self, now: float) -> bytes:
        if not self._streams:
            return b""
        sent = b""
        self._next = now + self._period if self._next is None else self._next
        while self._next <= now:
            self.instrument.now = self._next
            sent += b"".join(self._line(read, self._next) for read in self.reads)
            self._next += self._period
        return sent

    def next_due(self, now: float) -> float | None:
        return (now + self._period if self._next is None else self._next) if self._streams else None

    def foreign(self, reply: bytes) -> bytes:
        mark = self._address.encode()
        return reply.replace(mark, bytes([mark[0] ^ 1]) + mark[1:], 1) if self._shares_line() else b""

    def set(self, name: str, value: str) -> None:
        read = name.removesuffix(INSTEAD)
        if name.endswith(INSTEAD) and read in self._instead:
            self._instead[read].set(self.instrument.now, value)
        else:
            self.instrument.set(name, value)

    def truths(self, channel: Channel, start: float, end: float) -> Iterator[Truth]:
        for truth in self.instrument.truths(channel, start, end):
            instead = [
                text
                for read in self.reads
                if channel.parameter in read.fields
                for _, _, text in self._instead[read.name].between(start, end)
            ]
            yield Truth(None, None) if any(instead) and all(instead) else truth

    def _respond(self, request: str, now: float) -> bytes:
        for read in self.reads:
            if read.request is not None and request == read.request.render({}):
                return self._line(read, now)
        for name, template in self._writes.items():
            if (fields := template.match(request)) is not None:
                return self._store(name, fields[VALUE])
        return self._encoded(self._errors[0]) if self._errors else b""

    def _line(self, read: Read, now: float) -> bytes:
        if instead := self._instead[read.name].at(now):
            return self._encoded(instead)
        values = {}
        for name in read.fields:
            raw = self.instrument.raw(name, now)
            quantity = self.quantities[name]
            values[name] = f"{raw:X}" if quantity.kind == "hex" and isinstance(raw, int) else sent_text(quantity, raw)
        return self._encoded(read.replies[0].render(values))

    def _store(self, name: str, text: str) -> bytes:
        quantity = self.quantities[name]
        assert quantity.writable is not None
        try:
            self.instrument.write(name, raw_of(quantity.kind, text))
        except ValueError:
            return self._encoded(self._errors[0]) if self._errors else b""
        replies = quantity.writable.replies
        return self._encoded(parse(replies[0]).filled(address=self._address).render({})) if replies else b""

    def _write_of(self, name: str) -> Template:
        """Return the template of a request that writes a quantity."""
        writable = self.quantities[name].writable
        assert writable is not None
        template = parse(writable.request, plain=True).filled(address=self._address)
        parts = tuple(Field(VALUE, "text") if isinstance(part, Field) else part for part in template.parts)
        return Template(parts)

    def _shares_line(self) -> bool:
        texts = [part for read in self.reads for reply in read.replies for part in reply.parts if isinstance(part, str)]
        return any(self._address in text for text in texts)

    def _encoded(self, text: str) -> bytes:
        lines = (line.encode("latin-1", "replace") for line in text.split("\n"))
        return b"".join((line if self._check is None else self._check.added(line)) + self._reply_end for line in lines)
