"""Today's decoders over the bytes of a recording: the drivers poll a line that gives the recorded replies.

Nothing is sent anywhere. What a driver requests is looked up among the recorded requests of its port, in their order;
the reply is decoded as if it had just been received, and the samples are compared with the stored rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import anyio
import msgspec
from msgspec import Struct

from riglog.device import Pace
from riglog.errors import RiglogError, describe, error_context
from riglog.manager import DeviceSpec, resolve_device
from riglog.model import NS, Clock, Sample, Stamp, Status, iso
from riglog.model.sample import settled
from riglog.plugin import Driver, Registry, installed
from riglog.protocol import Codec, Connection, failures
from riglog.protocol.line import ClientCounters
from riglog.protocol.timed_reply import TimedReply
from riglog.protocol.wire_log import AMBIGUOUS, FAILED, KeptTransaction
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.reader import open_recording
from riglog.sinks.sqlite.schema import sqlite_errors
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, StoredRows
from riglog.sinks.sqlite.wires import read_wires
from riglog.transport import Transport

SHOWN = 1000
CLOSE_NS = NS // 5
LOOKBACK = 5000
"""How many transactions before may have the reply to a request that was not sent in this slot."""
ROWS = f"""
SELECT {READING_COLUMNS} FROM channel JOIN series ON series.id = series_id
CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
WHERE channel.run_id = ? AND device = ?"""  # noqa: S608 - constants
SLOTS = """
SELECT received_ns, max(tick) FROM channel JOIN series ON series.id = series_id
CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
WHERE channel.run_id = ? AND device = ? GROUP BY received_ns"""
PROOF = {Status.OK.value, Status.SUSPECT.value}
Key = tuple[str, int, int]
Content = tuple[float | None, str | None, str | None, str, str]


class Difference(Struct, frozen=True):
    """A row that would be different today; ``stored`` and ``today`` are value, text, unit, status and flags."""

    run: str
    device: str
    parameter: str
    instance: int
    received_at: str
    stored: Content | None
    today: Content | None


class Redecoded(Struct):
    """What ``redecode`` has found.

    Attributes:
        rows: that came of kept bytes, and were compared.
        different: rows that are different today; ``differences`` are the first of them.
        unproven: rows whose value is equal, and whose proof is there only then or only today: that depends on when
            settings were read.
        not_decoded: rows with a value that today's driver does not request in this way, so that nothing is known.
        problems: devices whose bytes could not be decoded at all.
    """

    rows: int = 0
    different: int = 0
    unproven: int = 0
    not_decoded: int = 0
    differences: list[Difference] = []
    problems: list[str] = []


class _EndError(Exception):
    """All recorded transactions were used."""


class _Clock(Clock):
    """The time of the transaction that was used last."""

    def __init__(self) -> None:
        self.now_ns = 0

    def utc_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


class _NoTransport(Transport):
    """The port of a line that sends nothing."""

    def __init__(self, port: str) -> None:
        self.port = port

    async def receive(self) -> bytes:
        raise _EndError

    async def send(self, data: bytes) -> None:
        raise _EndError

    def receive_nowait(self) -> bytes:
        return b""

    async def aclose(self) -> None:
        return None


class KeptLine:
    """Stands in for the line of a client: requests get the replies that were recorded."""

    def __init__(
        self,
        codec: Codec[Any, Any],
        port: str,
        kept: Sequence[KeptTransaction],
        slots: Mapping[int, int | None],
        clock: _Clock,
    ) -> None:
        self.codec = codec
        self.port = port
        self.clock = clock
        self.transport = _NoTransport(port)
        self.counters = ClientCounters()
        self.keep = None
        self.echo = False
        self._kept = kept
        self._slots = slots  # of the rows of the device, by their times
        self.awaits_frame = True
        self.used: set[int] = set()  # times of transactions whose reply was accepted once, and is decoded today
        self.disturbed: set[int] = set()  # times of slots in which today's driver sends another request
        self._next = self._begin = 0
        self._end = next((at for at, each in enumerate(kept) if each.received_ns in slots), len(kept))

    def begin_poll(self) -> bool:
        """Go to the transactions of the next slot with a row; return False if there is none."""
        at = self._next = self._begin = self._end
        while at < len(self._kept) and self._kept[at].received_ns not in self._slots:
            at += 1
        if at == len(self._kept):
            return False
        slot = self._slots[self._kept[at].received_ns]
        while at < len(self._kept) and self._slots.get(self._kept[at].received_ns, slot) == slot:
            at += 1
        self._end = at
        return True

    async def transact(
        self, request: Any, *, timeout: float, retries: int = 0, skip_resync: bool = False
    ) -> TimedReply[Any]:
        variants = self.codec.variants(request)
        found = self._following(variants)
        if found is None:
            self.disturbed.update(kept.received_ns for kept in self._kept[self._begin : self._end])
            found = self._earlier(variants)
        while found is not None:
            try:
                return self._decoded(*found, timeout)
            except RiglogError:
                found = self._following(variants)  # it was sent once more
                if found is None:
                    raise
        raise failures.no_reply(timeout, b"", "not recorded", port=self.port, address=self.codec.address(request))

    def _following(self, variants: Sequence[Any]) -> tuple[KeptTransaction, Any] | None:
        """Return the next transaction of a request in this slot, and the variant in which it was sent."""
        for at in range(self._next, self._end):
            if (variant := self._sent_as(self._kept[at], variants)) is not None:
                self._next = at + 1
                return self._kept[at], variant
        return None

    def _earlier(self, variants: Sequence[Any]) -> tuple[KeptTransaction, Any] | None:
        """Return the newest transaction of a request before: a setting that was read at another time than today."""
        for at in range(self._next - 1, max(-1, self._next - LOOKBACK), -1):
            if (variant := self._sent_as(self._kept[at], variants)) is not None:
                return self._kept[at], variant
        return None

    def _sent_as(self, kept: KeptTransaction, variants: Sequence[Any]) -> Any:
        if not kept.request or kept.latency_ns is None:
            return None
        for variant in variants:
            self.codec.renumber(kept.request)
            if self.codec.encode(variant) == kept.request:
                return variant
        return None

    def _decoded(self, kept: KeptTransaction, request: Any, timeout: float) -> TimedReply[Any]:
        self.clock.now_ns = kept.received_ns
        if not kept.outcome:
            self.used.add(kept.received_ns)
        self.codec.renumber(kept.request)
        self.codec.encode(request)
        where = {"port": self.port, "address": self.codec.address(request)}
        received = kept.reply.removeprefix(kept.request) if self.echo else kept.reply
        if kept.outcome == AMBIGUOUS:
            raise failures.ambiguous(failures.SECOND_REPLY, **where)
        reply = self.codec.decode(request, bytearray(received))
        if reply is None:
            reply = self.codec.decode(request, bytearray(received), final=True)
        if reply is None:
            raise failures.no_reply(timeout, received, self.codec.diagnose(request, received), **where)
        if kept.outcome == FAILED and received:
            # a reply that the recorder had refused for another reason than its bytes: too early, too late, or cancelled
            raise failures.no_reply(timeout, b"", "no_reply", **where)
        latency = kept.latency_ns or 0
        return TimedReply(reply, Stamp(kept.received_ns, kept.latency_ns, kept.received_ns - latency // 2))

    async def send_without_reply(self, request: Any) -> None:
        return None

    async def listen(self) -> TimedReply[Any]:
        """Return the next frame that came without a request; in one poll, only those that came close together."""
        self._end = len(self._kept)
        first, self.awaits_frame = self.awaits_frame, False
        while self._next < len(self._kept):
            kept = self._kept[self._next]
            self._next += 1
            if kept.request:
                continue
            if not first and kept.received_ns - self.clock.now_ns > CLOSE_NS:
                self._next -= 1
                await anyio.sleep_forever()  # until the driver stops waiting
            self.clock.now_ns = kept.received_ns
            self.used.add(kept.received_ns)
            frame = self.codec.unsolicited(bytearray(kept.reply))
            if frame is not None:
                return TimedReply(frame, Stamp(kept.received_ns, None, kept.received_ns))
        if not first:
            await anyio.sleep_forever()
        raise _EndError

    def receive_unsolicited_nowait(self) -> TimedReply[Any] | None:
        return None

    def next_received(self) -> TimedReply[Any] | None:
        return None

    def discard_input(self) -> None:
        return None

    def reopened(self) -> None:
        return None

    def widen_gap(self, seconds: float) -> None:
        return None


async def redecode(
    path: str | Path,
    *,
    registry: Registry | None = None,
    on_difference: Callable[[Difference], None] = lambda _: None,
) -> Redecoded:
    """Decode the kept bytes of a recording with the drivers that are installed, and compare. Reads only.

    Args:
        on_difference: called with every difference.

    Raises:
        NotARecordingError, NewerSchemaError, StorageError: the file cannot be read.
    """
    path = Path(path)
    found = Redecoded(differences=[], problems=[])
    with closing(open_recording(path)) as database, sqlite_errors(path), error_context(path=path):
        for run_id, run, name, driver, port, options in database.execute(
            "SELECT run_id, run.run, device.name, driver, port, options FROM device JOIN run ON run.id = run_id"
            " WHERE port IS NOT NULL ORDER BY device.id"
        ).fetchall():
            table = {"name": name, "driver": driver, "port": port, **msgspec.json.decode(options)}
            slots = dict(database.execute(SLOTS, (run_id, name)).fetchall())
            try:
                spec = resolve_device(registry or installed(), table)
                kept = list(read_wires(database, run_id, port))
                today, used = await _today(spec, kept, slots)
            except (RiglogError, ExceptionGroup, ValueError) as error:
                found.problems.append(f"{name}: {describe(error)}")
                continue
            _compare(database, (run_id, run, name), used, today, found, on_difference)
    return found


async def _today(
    spec: DeviceSpec, kept: Sequence[KeptTransaction], slots: Mapping[int, int | None]
) -> tuple[list[Sample], set[int]]:
    """Return the samples that a driver makes of recorded bytes today, and the times of those that it used."""
    driver = spec.driver
    assert isinstance(driver, Driver)
    assert spec.port is not None
    clock = _Clock()
    client = spec.port.factory(Connection(_NoTransport(spec.port.name), spec.port.link, clock))
    line = KeptLine(client.codec, spec.port.name, kept, slots, clock)
    line.echo = spec.port.link.echo
    client.line = line  # type: ignore[assignment]
    device = driver.device(spec.config, client.with_timeout(spec.config.timeout), spec.context(clock))
    samples: list[Sample] = []
    with suppress(_EndError):
        await device.open()
        if device.pace is Pace.DEVICE:
            while True:
                line.awaits_frame = True
                samples += await device.poll()
        while line.begin_poll():
            samples += await device.poll_steadily()
    return samples, line.used - line.disturbed


def _compare(
    database: Any,
    where: tuple[int, str, str],
    used: set[int],
    today: Iterable[Sample],
    found: Redecoded,
    on_difference: Callable[[Difference], None],
) -> None:
    run_id, run, device = where
    row = StoredRows(database).row
    stored: dict[Key, tuple[Any, ...]] = {}
    for reading in database.execute(ROWS, (run_id, device)):
        one = row(reading)
        if one.value is not None or one.text is not None or reading[0] in used:
            stored[one.parameter, one.instance, reading[0]] = (one.value, one.text, one.unit, one.status, one.flags)
    found.rows += len(stored)

    def differs(key: Key, before: Any, now: Any) -> None:
        found.different += 1
        difference = Difference(run, device, key[0], key[1], iso(key[2]), before, now)
        if len(found.differences) < SHOWN:
            found.differences.append(difference)
        on_difference(difference)

    for sample in today:
        key = sample.parameter, sample.instance, sample.stamp.received_ns
        now = _content(sample)
        before = stored.pop(key, None)
        if before is None or before in (now, _content(settled(sample))):
            continue
        if before[:3] == now[:3] and {before[3], now[3]} == PROOF:
            found.unproven += 1
        else:
            differs(key, before, now)
    for key, before in stored.items():
        if key[2] in used:
            differs(key, before, None)
        else:
            found.not_decoded += 1


def _content(sample: Sample) -> Content:
    """Return what is compared. Whether a proof came in time depends on when it was read, and so is not."""
    number, text, status, _ = content(sample)
    return number, text, sample.unit, status.value, flags(sample)
