"""How a stored value came of the bytes on the line: request and reply, and what is in them."""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from riglog.device.frame_reader import FrameKind, SeenFrame
from riglog.errors import ConfigError, DeviceError, ProtocolError, RiglogError
from riglog.manager import DeviceSpec, resolve_device
from riglog.manager.port_opening import reader_of
from riglog.manager.raw_exchange import frames_in
from riglog.model import NS, Sample, Stamp
from riglog.plugin import Registry, installed
from riglog.protocol.wire_log import KeptTransaction
from riglog.rig.kept_bytes import not_kept, refuse_schema_1
from riglog.rig.stored_files import StoredFiles
from riglog.sinks.rows import Row
from riglog.sinks.sqlite.reader import Database, opened_recording
from riglog.sinks.sqlite.recorded import nanoseconds
from riglog.sinks.sqlite.stored_rows import READING_COLUMNS, Reading, StoredRows
from riglog.sinks.sqlite.wires import wires_at, wires_before

NEWEST = "last"
US = 1000
LONGEST_POLL_NS = 30 * NS
"""A row without a value was made within this time of the request that failed."""
CHANNELS = """
SELECT channel.id, run_id, device, parameter, instance, formula FROM channel
JOIN series ON series.id = series_id LEFT JOIN derived ON channel_id = channel.id
WHERE device = ? AND (parameter = ? OR parameter || '[' || instance || ']' = ?) ORDER BY channel.id"""
READING = f"""
SELECT {READING_COLUMNS} FROM channel CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
WHERE channel.id = :channel AND received_ns >= :start AND (received_ns < :end) ORDER BY received_ns, n"""  # noqa: S608


class ExplainedFrame(Struct, frozen=True):
    """A frame in what was received; ``bytes`` as hexadecimal text."""

    kind: str
    bytes: str
    text: str
    fields: dict[str, object]


class ExplainedTransaction(Struct, frozen=True):
    """One transaction. ``values``: what the frames give alone, by parameter; the driver may need other replies, too."""

    sent: str
    received: str
    latency_s: float | None
    outcome: str
    request: ExplainedFrame | None
    frames: list[ExplainedFrame]
    values: dict[str, object]


class Explained(Struct, frozen=True):
    """A row, how its device was opened, and the transactions of which it came."""

    row: Row
    port: str | None
    version: str | None
    options: dict[str, Any]
    formula: str | None
    transactions: list[ExplainedTransaction]
    problem: str | None = None


def explain_row(path: str | Path, row: str, *, registry: Registry | None = None) -> Explained:
    """Return how a row came of the bytes on the line. Reads only.

    Args:
        row: ``DEVICE.PARAMETER@TIME``: the channel, with ``[2]`` for another instance, and the time of receipt as
            ``tail`` and exports have it (ISO 8601; UTC without a zone), or ``last``.

    Raises:
        ConfigError: there is no such row, or the bytes of its run were not kept.
        NotARecordingError, NewerSchemaError, StorageError: the file cannot be read.
    """
    path = Path(path)
    with opened_recording(path) as database:
        found = find_row(database, row)
        stored = StoredRows(database).row(found.reading)
        if found.formula is not None:
            return Explained(stored, None, None, {}, found.formula, [])
        if found.port is None:
            raise not_kept("run")
        run_id, port, driver, version, options = found.run_id, found.port, found.driver, found.version, found.options
        (rig,) = database.execute("SELECT rig FROM run WHERE id = ?", (run_id,)).fetchone()
        kept = wires_at(database, run_id, port, found.received_ns) or wires_before(
            database, run_id, port, found.received_ns, LONGEST_POLL_NS
        )
    device = stored.device
    table = {"name": device, "driver": driver, "port": port, **msgspec.json.decode(options)}
    registry = registry or installed()
    try:
        with StoredFiles(rig) as files:
            spec = resolve_device(registry, files.inserted(table, registry))
            explained = [_explained(spec, transaction) for transaction in kept]
        problem = None
    except (RiglogError, ExceptionGroup) as error:  # the driver of then is not here: the bytes are shown all the same
        explained = [_shown(transaction) for transaction in kept]
        problem = str(error)
    return Explained(stored, port, version, msgspec.json.decode(options), None, explained, problem)


class FoundRow(NamedTuple):
    """A row, as READING_COLUMNS gives it, and how its device was opened; ``port`` is None without kept bytes."""

    reading: Reading
    run_id: int
    formula: str | None
    port: str | None
    driver: str
    version: str | None
    options: str

    @property
    def received_ns(self) -> int:
        return self.reading[0]


def find_row(database: Database, row: str) -> FoundRow:
    """Return a row of an open recording; ``row`` as for ``explain_row``.

    Raises:
        ConfigError: there is no such row.
    """
    channel, _, at = row.partition("@")
    device, _, parameter = channel.partition(".")
    if not (device and parameter and at):
        raise ConfigError(f"invalid row {row!r}", hint="Give DEVICE.PARAMETER@TIME, or DEVICE.PARAMETER@last")
    refuse_schema_1(database)
    channels = database.execute(CHANNELS, (device, parameter, parameter)).fetchall()
    if not channels:
        raise ConfigError(f"no channel {channel!r} in the recording", hint="Its channels are in `riglog info`")
    start, end = (-(2**63), 2**63 - 1)
    if at != NEWEST:
        start = nanoseconds(at) // US * US
        end = start + US
    order = " DESC LIMIT 1" if at == NEWEST else " LIMIT 1"
    select = READING.replace("received_ns, n", "received_ns DESC, n") if at == NEWEST else READING
    for number, run_id, *_, formula in reversed(channels):
        reading = database.execute(select + order, {"channel": number, "start": start, "end": end}).fetchone()
        if reading is not None:
            opened = database.execute(
                "SELECT port, driver, version, options FROM device WHERE run_id = ? AND name = ?"
                " ORDER BY id DESC LIMIT 1",
                (run_id, device),
            ).fetchone()
            return FoundRow(reading, run_id, formula, *(opened or (None, "", None, "{}")))
    raise ConfigError(f"no row {row!r} in the recording", hint="Give a time as in `riglog tail` or an export")


def _shown(kept: KeptTransaction) -> ExplainedTransaction:
    latency = None if kept.latency_ns is None else kept.latency_ns / NS
    return ExplainedTransaction(kept.request.hex(" "), kept.reply.hex(" "), latency, kept.outcome, None, [], {})


def _explained(spec: DeviceSpec, kept: KeptTransaction) -> ExplainedTransaction:
    reader: Any = reader_of(spec)
    seen = reader.first_frame(kept.request, None, final=True) if kept.request else None
    request = seen.request if isinstance(seen, SeenFrame) else None
    reply = kept.reply.removeprefix(kept.request) if spec.port is not None and spec.port.link.echo else kept.reply
    frames = frames_in(reader, request, reply)
    stamp = Stamp(kept.received_ns, kept.latency_ns, 0)
    samples: list[Sample] = []
    for frame, _ in frames:
        if frame.kind in (FrameKind.REPLY, FrameKind.UNSOLICITED):
            with suppress(DeviceError, ProtocolError):
                samples += reader.samples(frame, request, stamp)
    asked = _frame(seen, reader.fields(seen, None)) if isinstance(seen, SeenFrame) else None
    latency = None if kept.latency_ns is None else kept.latency_ns / NS
    return ExplainedTransaction(
        kept.request.hex(" "),
        kept.reply.hex(" "),
        latency,
        kept.outcome,
        asked,
        [_frame(frame, fields) for frame, fields in frames],
        {f"{sample.parameter}[{sample.instance}]": _value(sample) for sample in samples},
    )


def _frame(frame: SeenFrame, fields: Any) -> ExplainedFrame:
    named = {name: field for name, field in dict(fields).items() if name != "kind"}
    return ExplainedFrame(frame.kind.value, frame.raw.hex(" "), frame.text, named)


def _value(sample: Sample) -> object:
    return sample.text if sample.value is None else sample.value
