"""Today's decoders over the bytes of a recording: the drivers poll a line that gives the recorded replies.

Nothing is sent anywhere. What a driver requests is looked up among the recorded requests of its port, in their order;
the reply is decoded as if it had just been received, and the samples are compared with the stored rows.
"""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec
from msgspec import Struct

from riglog.device import Pace
from riglog.errors import RiglogError, describe
from riglog.manager import DeviceSpec, resolve_device
from riglog.model import NS, Clock, Sample, Stamp, Status, iso
from riglog.model.sample import settled
from riglog.plugin import Driver, Registry, installed
from riglog.protocol import Codec, Connection, failures
from riglog.protocol.line import ClientCounters
from riglog.protocol.timed_reply import TimedReply
from riglog.protocol.wire_log import AMBIGUOUS, FAILED, REFUSED, KeptTransaction
from riglog.rig.stored_files import StoredFiles
from riglog.sinks.rows import content, flags
from riglog.sinks.sqlite.reader import Database, opened_recording
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, StoredRows
from riglog.sinks.sqlite.wires import read_wires
from riglog.transport import Transport

SHOWN = 1000
CLOSE_NS = NS // 5
REFUSED_NS = NS // 4
"""A row without a value was made within this time of the reply that was refused."""
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
HAS_VALUES = """
SELECT 1 FROM channel JOIN series ON series.id = series_id
CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
LEFT JOIN annotation ON annotation.id = annotation_id
WHERE channel.run_id = ? AND device = ? AND (value IS NOT NULL OR text IS NOT NULL) LIMIT 1"""
PROOF = {Status.OK.value, Status.SUSPECT.value}
Key = tuple[str, int, int, int]
"""Parameter, instance, time of receipt, and how many rows of the channel before it have this time."""
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


class Place(NamedTuple):
    """Where a reading is in the file."""

    channel_id: int
    received_ns: int
    n: int


OnChange = Callable[[Place, Sample | None], None]
"""Called with the place of a row and the sample of today; None: there is none."""
OnDecoded = Callable[[Any, Codec[Any, Any], KeptTransaction], None]
"""Called with a request, its codec, and the transaction whose reply was decoded."""
Names = tuple[int, str, str]
"""Number and id of a run, and a device."""


class Today(NamedTuple):
    """Samples that a driver makes of recorded bytes today, and the times of the transactions that it used.

    ``rejected`` are those of replies that are not valid any more, ``revived`` of those that the recorder had refused.
    """

    samples: list[Sample]
    used: set[int]
    rejected: set[int]
    revived: set[int]

    def joined(self, other: "Today") -> "Today":
        """Return both."""
        used, rejected, revived = self.used | other.used, self.rejected | other.rejected, self.revived | other.revived
        return Today(self.samples + other.samples, used, rejected, revived)


class _EndError(Exception):
    """All recorded transactions were used."""


class SetClock(Clock):
    """A clock that stands at ``now_ns``: the time of the transaction or row that was used last."""

    def __init__(self) -> None:
        self.now_ns = 0

    def utc_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns


class NoTransport(Transport):
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
        clock: SetClock,
    ) -> None:
        self.codec = codec
        self.port = port
        self.clock = clock
        self.transport = NoTransport(port)
        self.counters = ClientCounters()
        self.keep = None
        self.echo = False
        self._kept = kept
        self._slots = slots  # of the rows of the device, by their times
        self.awaits_frame = True
        self.on_decoded: OnDecoded = lambda _request, _codec, _kept: None
        self.sends_requests = True  # or it is only listened to
        self.used: set[int] = set()  # times of transactions whose reply was accepted once, and is decoded today
        self.disturbed: set[int] = set()  # times of slots in which today's driver sends another request
        self.rejected: set[int] = set()  # times of replies that were accepted, and are not valid today
        self.revived: set[int] = set()  # times of replies that were refused, and that are valid today
        self._polls = _polls(kept, slots)
        self._poll = -1
        self._next = self._begin = 0
        self._end = self._polls[0][1] if self._polls else len(kept)

    def begin_poll(self) -> bool:
        """Go to the transactions of the next slot with a row; return False if there is none."""
        self._poll += 1
        if self._poll == len(self._polls):
            return False
        begin, _, self._end = self._polls[self._poll]
        self._next = self._begin = max(begin, self._next) if self._poll == 0 else begin
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
        try:
            reply = self.codec.decode(request, bytearray(received))
            if reply is None:
                reply = self.codec.decode(request, bytearray(received), final=True)
            if reply is None:
                raise failures.no_reply(timeout, received, self.codec.diagnose(request, received), **where)
        except RiglogError:
            if not kept.outcome:
                self.rejected.add(kept.received_ns)
            raise
        if kept.outcome == FAILED and received:
            # a reply that the recorder had refused for another reason than its bytes: too early, too late, or cancelled
            raise failures.no_reply(timeout, b"", "no_reply", **where)
        self.on_decoded(request, self.codec, kept)
        if kept.outcome == REFUSED:
            self.used.add(kept.received_ns)
            self.revived.add(kept.received_ns)
        latency = kept.latency_ns or 0
        return TimedReply(reply, Stamp(kept.received_ns, kept.latency_ns, kept.received_ns - latency // 2))

    async def send_without_reply(self, request: Any) -> None:
        return None

    async def listen(self) -> TimedReply[Any]:
        """Return the next frame that came without a request; in one poll, only those that came close together."""
        if self.sends_requests:
            return await self._frame_before_request()
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

    async def _frame_before_request(self) -> TimedReply[Any]:
        """Return the next frame that came before the next request; if there is none, wait until the driver stops."""
        while self._next < self._end and not self._kept[self._next].request:
            kept = self._kept[self._next]
            self._next += 1
            self.clock.now_ns = kept.received_ns
            frame = self.codec.unsolicited(bytearray(kept.reply))
            if frame is not None:
                return TimedReply(frame, Stamp(kept.received_ns, None, kept.received_ns))
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


def _polls(kept: Sequence[KeptTransaction], slots: Mapping[int, int | None]) -> list[tuple[int, int, int]]:
    """Return, for each slot, the places of its first transaction, of the first one with a row, and behind the last one.

    Of what is between the rows of two slots, the part before the longest pause belongs to the first one.
    """
    rows: list[tuple[int, int]] = []
    for at, each in enumerate(kept):
        if each.received_ns not in slots:
            continue
        if rows and slots[kept[rows[-1][1]].received_ns] == slots[each.received_ns]:
            rows[-1] = rows[-1][0], at
        else:
            rows.append((at, at))
    ends = [_after_pause(kept, last + 1, first) for (_, last), (first, _) in pairwise(rows)] + [len(kept)]
    return [(begin, first, end) for begin, (first, _), end in zip([0, *ends], rows, ends, strict=False)]


def _after_pause(kept: Sequence[KeptTransaction], begin: int, end: int) -> int:
    """Return the place behind the longest pause between two transactions."""

    def pause(at: int) -> int:
        return kept[at].received_ns - (kept[at].latency_ns or 0) - kept[at - 1].received_ns

    return max(range(begin, end + 1), key=pause)


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
    with opened_recording(path) as database:
        return await compare_all(database, registry or installed(), on_difference)


async def compare_all(
    database: Database,
    registry: Registry,
    on_difference: Callable[[Difference], None],
    on_change: OnChange = lambda _place, _sample: None,
) -> Redecoded:
    """Compare all devices of an open recording, as ``redecode``."""
    found = Redecoded(differences=[], problems=[])
    opened = database.execute(
        "SELECT run_id, run.run, device.name, driver, port, options FROM device JOIN run ON run.id = run_id"
        " WHERE port IS NOT NULL GROUP BY run_id, device.name, port, driver, options ORDER BY device.id"
    ).fetchall()
    with ExitStack() as stack:
        runs = database.execute("SELECT id, rig FROM run").fetchall()
        files = {run_id: stack.enter_context(StoredFiles(rig)) for run_id, rig in runs}
        for names in dict.fromkeys(each[:3] for each in opened):
            today = Today([], set(), set(), set())
            slots = dict(database.execute(SLOTS, (names[0], names[2])).fetchall())
            for *_, driver, port, options in (each for each in opened if each[:3] == names):
                try:
                    kept = list(read_wires(database, names[0], port))
                    if not kept and database.execute(HAS_VALUES, (names[0], names[2])).fetchone() is None:
                        continue  # it was absent in the whole run
                    table = {"name": names[2], "driver": driver, "port": port, **msgspec.json.decode(options)}
                    spec = resolve_device(registry, files[names[0]].inserted(table, registry))
                    _add_refused(slots, kept)
                    part = await decode_today(spec, kept, slots)
                except (RiglogError, ExceptionGroup, ValueError) as error:
                    found.problems.append(f"{names[2]}: {describe(error)}")
                    continue
                today = today.joined(part)
            _compare(database, names, today, found, on_difference, on_change)
    return found


def _add_refused(slots: dict[int, int | None], kept: Sequence[KeptTransaction]) -> None:
    """Enter the slots of refused replies: the row without a value was made directly after each."""
    times = sorted(slots)
    for each in kept:
        if each.outcome == REFUSED and each.received_ns not in slots:
            at = bisect_left(times, each.received_ns)
            if at < len(times) and times[at] - each.received_ns <= REFUSED_NS:
                slots[each.received_ns] = slots[times[at]]


async def decode_today(
    spec: DeviceSpec,
    kept: Sequence[KeptTransaction],
    slots: Mapping[int, int | None],
    on_decoded: OnDecoded = lambda _request, _codec, _kept: None,
) -> Today:
    """Return what a driver makes of the recorded bytes of its port today.

    Args:
        slots: of the rows of the device, by their times.
        on_decoded: called with each transaction that it decodes.

    Raises:
        RiglogError: the device cannot be opened with these replies.
    """
    driver = spec.driver
    assert isinstance(driver, Driver)
    assert spec.port is not None
    clock = SetClock()
    client = spec.port.factory(Connection(NoTransport(spec.port.name), spec.port.link, clock))
    line = KeptLine(client.codec, spec.port.name, kept, slots, clock)
    line.echo = spec.port.link.echo
    line.on_decoded = on_decoded
    client.line = line  # type: ignore[assignment]
    device = driver.device(spec.config, client.with_timeout(spec.config.timeout), spec.context(clock))
    line.sends_requests = device.pace is Pace.HOST
    samples: list[Sample] = []
    with suppress(_EndError):
        await device.open()
        if line.sends_requests:
            with suppress(RiglogError):
                await device.identity()  # it was read then, too, and what it read may be the newest of its kind
        if device.pace is Pace.DEVICE:
            while True:
                line.awaits_frame = True
                samples += await device.poll()
        while line.begin_poll():
            samples += await device.poll_steadily()
    used, disturbed = line.used, line.disturbed
    return Today(samples, used - disturbed, line.rejected - disturbed, line.revived - disturbed)


class _Stored(NamedTuple):
    """A stored row."""

    content: Content
    place: Place


def _compare(
    database: Database,
    where: Names,
    today: Today,
    found: Redecoded,
    on_difference: Callable[[Difference], None],
    on_change: OnChange,
) -> None:
    run_id, run, device = where
    row = StoredRows(database).row
    stored: dict[Key, _Stored] = {}
    without_value: dict[tuple[str, int], deque[_Stored]] = defaultdict(deque)  # of replies that were refused, perhaps
    times: Counter[tuple[str, int, int]] = Counter()
    for reading in database.execute(ROWS, (run_id, device)):
        one = row(reading)
        each = _Stored((one.value, one.text, one.unit, one.status, one.flags), Place(reading[2], *reading[:2]))
        name = one.parameter, one.instance
        has_value = one.value is not None or one.text is not None
        if not has_value and (one.error or "").startswith(failures.AMBIGUOUS_REPLY):
            continue  # which request the reply belongs to is not known today either
        if has_value or reading[0] in today.used:
            at = *name, reading[0]
            stored[*at, times[at]] = each
            times[at] += 1
        elif today.revived:
            without_value[name].append(each)
    found.rows += len(stored)

    def differs(key: Key, before: _Stored, sample: Sample | None) -> None:
        now = None if sample is None else _content(sample)
        found.different += 1
        difference = Difference(run, device, key[0], key[1], iso(key[2]), before.content, now)
        if len(found.differences) < SHOWN:
            found.differences.append(difference)
        on_difference(difference)
        on_change(before.place, sample)

    times.clear()
    for sample in today.samples:
        at = sample.parameter, sample.instance, sample.stamp.received_ns
        key = *at, times[at]
        times[at] += 1
        now = _content(sample)
        before = stored.pop(key, None)
        if before is None and at[2] in today.revived and (now[0] is not None or now[1] is not None):
            before = _row_of_refused(without_value[at[:2]], at[2])
            found.rows += before is not None
        if before is None or before.content in (now, _content(settled(sample))):
            continue
        same, proof = before.content[:3] == now[:3], {before.content[3], now[3]} == PROOF
        if same and proof and before.content[4] != now[4]:  # a proof has a flag; a status alone has not
            found.unproven += 1
        else:
            differs(key, before, sample)
    for key, before in stored.items():
        if key[2] in today.rejected:
            differs(key, before, None)
        else:
            found.not_decoded += 1


def _row_of_refused(rows: deque[_Stored], received_ns: int) -> _Stored | None:
    """Return the row without a value that was made because of the reply of this time."""
    while rows and rows[0].place.received_ns < received_ns:
        rows.popleft()
    return rows.popleft() if rows and rows[0].place.received_ns - received_ns <= REFUSED_NS else None


def _content(sample: Sample) -> Content:
    """Return what is compared. Whether a proof came in time depends on when it was read, and so is not."""
    number, text, status, _ = content(sample)
    return number, text, sample.unit, status.value, flags(sample)
