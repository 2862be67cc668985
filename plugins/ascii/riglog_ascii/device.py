"""One instrument with an ASCII protocol that a file describes: with requests, or sending by itself."""

from collections.abc import Sequence
from typing import Any

import anyio

from riglog.device import DeviceContext, Pace, missing
from riglog.errors import DeviceRefusedError, ReplyTimeoutError, UnsupportedError
from riglog.instrument import DescribedDevice, Description, Raw, Reading
from riglog.model import Sample
from riglog.protocol import HeldLine
from riglog_ascii.config import AsciiConfig
from riglog_ascii.description import AsciiFormat, line_of
from riglog_ascii.lines.codec import AsciiClient, AsciiReply, text_of
from riglog_ascii.lines.protocol import readings_of
from riglog_ascii.protocol import protocol_for
from riglog_ascii.samples import AsciiQuantity, raw_of, sent_text

MAX_BACKLOG_SECONDS = 0.5
"""If no line is read for longer, those that arrived meanwhile are discarded: their times are unknown."""
LEAST_SILENCE = 5.0


class AsciiInstrument(DescribedDevice[AsciiClient, AsciiQuantity]):
    """An instrument that responds to requests."""

    def __init__(
        self,
        config: AsciiConfig,
        client: AsciiClient,
        context: DeviceContext,
        description: Description[AsciiQuantity],
        selected: Sequence[str],
    ) -> None:
        super().__init__(client, context, AsciiFormat(), description, selected)
        client.widen_gap(description.line.gap)
        self._protocol = protocol_for(config, description, config.timeout)

    def groups(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        return self._protocol.groups(names)

    async def read(self, line: HeldLine[Any, Any], group: tuple[str, ...], *, retries: int = 0) -> dict[str, Reading]:
        try:
            return await self._protocol.read(line, group, retries=retries or None)
        except DeviceRefusedError as refusal:
            if not retries:
                raise
            for name in group:  # at opening: an optional read costs only its own quantities
                self.note_absent(name, refusal)
            return {}

    async def write(self, line: HeldLine[Any, Any], name: str, raw: Raw) -> None:
        await self._protocol.write(line, name, raw)

    def transmitted(self, name: str, raw: Raw) -> Raw:
        quantity = self.quantities[name]
        return raw_of(quantity.kind, sent_text(quantity, raw))


class StreamingInstrument(AsciiInstrument):
    """An instrument that sends lines without requests. Each line is read once; what it states anew is suspect."""

    pace = Pace.DEVICE

    def __init__(self, config: AsciiConfig, client: AsciiClient, context: DeviceContext, *described: Any) -> None:
        super().__init__(config, client, context, *described)
        self._silence = config.timeout or max(LEAST_SILENCE, 2 * line_of(self.description).period + 1)
        self._line_check = line_of(self.description).check
        self._begin_seen = False
        self._last_read = float("-inf")

    async def open(self) -> None:
        self._begin_seen = False
        self._proofs.forget()
        readings = await self._next()
        units = {name: self.quantities[name].unit for name in self._selected}
        for name in self._selected:
            if name in readings:
                known = self._near(name, readings)
                self._proofs.facts_agree(name, readings[name], known)
                units[name] = self._proofs.stated(name, known).unit
        self._declare(units)

    async def identity(self, line: HeldLine[Any, Any] | None = None) -> str | None:
        return None

    async def reconnected(self, line: HeldLine[Any, Any] | None = None) -> None:
        self._begin_seen = False
        self._proofs.forget()

    async def poll(self, line: HeldLine[Any, Any] | None = None) -> list[Sample]:
        try:
            readings = await self._next()
        except ReplyTimeoutError as error:
            return missing(self.channels, error.message, self.context.clock)
        samples = []
        for name in self._selected:
            if name in readings:
                sample, proven = self._judged(name, readings, {}, {}, 0.0)
                samples.append(sample if proven else self._unproven(sample, proven))
        return samples

    async def set_parameter(
        self, name: str, value: str, /, instance: int = 1, *, confirm: bool = False
    ) -> Sample | None:
        raise UnsupportedError("an instrument that sends without requests cannot be set", device=self.name)

    def _checked(self, reply: AsciiReply) -> AsciiReply:
        """Return a line without its checksum; one with another checksum matches no template."""
        text = text_of(reply.line.encode("latin-1", "replace"), self._line_check)
        return reply._replace(line="\ufffd" if text is None else text)

    async def _next(self) -> dict[str, Reading]:
        """Return the readings of the next line that is one of the file.

        Raises:
            ReplyTimeoutError: there is none for the longest pause.
        """
        if anyio.current_time() - self._last_read > MAX_BACKLOG_SECONDS:
            while self.client.receive_unsolicited_nowait():
                self._begin_seen = True
        unknown = False
        try:
            with anyio.move_on_after(self._silence):
                while True:
                    reply, stamp = await self.client.listen()
                    reply = self._checked(reply)
                    if not self._begin_seen:  # the beginning of the first line may be lost
                        self._begin_seen = True
                        continue
                    for read in self._protocol.reads:
                        for template in read.replies:
                            if (fields := template.match(reply.line)) is not None:
                                found = reply._replace(fields=tuple(fields.items()))
                                return readings_of(found, stamp, read, self.quantities)
                        for template, instead in read.instead:
                            if template.match(reply.line) is not None:
                                return readings_of(reply._replace(instead=instead), stamp, read, self.quantities)
                    unknown = True
        finally:
            self._last_read = anyio.current_time()
        raise ReplyTimeoutError(
            f"no line of the instrument file for {self._silence:g} s",
            reason="unmatched" if unknown else "no_reply",
            hint="Check the serial settings and the templates of the file; timeout is the longest expected pause",
            port=self.client.port,
        )
