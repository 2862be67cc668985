"""A small recording of what was on a port around a row, without names and serial numbers: for a bug report.

It has the rows and transactions of some seconds, and before them what the drivers need: how the devices were opened,
and the newest transaction of each other request. Names of devices, ports, runs, computers, users and folders are
replaced; so are serial numbers, also in the bytes, where a driver accepts the changed reply.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError, RiglogError
from riglog.manager import resolve_device
from riglog.model import NS
from riglog.plugin import Registry, installed
from riglog.protocol import Codec
from riglog.protocol.wire_log import KeptTransaction
from riglog.recordings.new_files import new_file, publish_file
from riglog.recordings.resealing import seal_again
from riglog.rig.explaining import find_row
from riglog.rig.redecoding import decode_today
from riglog.rig.stored_files import StoredFiles, stored_files
from riglog.sinks.sqlite.overviews import rebuild
from riglog.sinks.sqlite.reader import Database, opened_recording
from riglog.sinks.sqlite.schema import open_database
from riglog.sinks.sqlite.wires import Wires, read_wires

MOST_TRANSACTIONS = 5000
"""Before the rows, of one port: opening its devices takes fewer."""
SERIAL = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{3,}")
IDENTITY = "identity: "
DEVICES = "SELECT name, port, driver, version, options FROM device WHERE run_id = ? AND port = ? ORDER BY id"
STATED = "SELECT serial_number FROM equipment WHERE run_id = ? AND serial_number IS NOT NULL"
AS_THEY_ARE = {"protocol", "parameters"}
"""Options that are words of a driver, also if a device has such a name."""
LEAST_SERIAL = 4
"""Characters of a stated serial number that is replaced: a shorter one would be found in every text and reply."""
IDENTITIES = "SELECT message FROM event WHERE run_id = ? AND device = ? AND kind LIKE 'identity%'"
READINGS = """
SELECT channel_id, received_ns, n, value, text, annotation.unit, status, flags, error, tick, latency_ns, skew_ns,
    own_ns, annotation_id
FROM channel JOIN series ON series.id = series_id
CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id
LEFT JOIN annotation ON annotation.id = annotation_id
WHERE channel.run_id = :run AND device = :device AND received_ns BETWEEN :start AND :end
ORDER BY block.id, channel_id, received_ns, n"""
INSERT_ANNOTATION = "INSERT INTO annotation (text, unit, status, flags, error) VALUES (?, ?, ?, ?, ?) RETURNING id"
CHANNEL = """
SELECT channel.id, parameter, instance, segment, driver, protocol, address, parameter_id, unit
FROM channel JOIN series ON series.id = series_id WHERE run_id = ? AND device = ?"""


class Cut(Struct):
    """What is in the small recording.

    Attributes:
        replaced: different requests and replies in which a serial number was replaced.
        left: those that still have one: their driver does not accept a changed reply, or is not installed.
    """

    out: str
    rows: int = 0
    transactions: int = 0
    replaced: int = 0
    left: int = 0


async def cut(
    path: str | Path, row: str, out: str | Path, *, seconds: float = 10.0, registry: Registry | None = None
) -> Cut:
    """Write a small recording of what was on the port of a row around it.

    Args:
        row: as for ``explain_row``.
        seconds: before the row, and after it.

    Raises:
        ConfigError: there is no such row, a formula has computed it, or its bytes were not kept.
        StorageError: ``out`` exists, or cannot be written. Nothing was left behind.
        NotARecordingError, NewerSchemaError: the file is something else.
    """
    path, out = Path(path), Path(out)
    with new_file(out) as copy:
        with opened_recording(path) as source:
            found = find_row(source, row)
            if found.port is None:
                raise ConfigError(
                    "the bytes of this row were not kept", hint="A formula has computed it, or keep_bytes was off"
                )
            with closing(open_database(copy, durable=False)) as target:
                target.execute("BEGIN")
                span = found.received_ns - round(seconds * NS), found.received_ns + round(seconds * NS)
                writer = _Cutting(source, target, found.run_id, found.port, span, registry or installed())
                done = await writer.write(str(out))
                target.execute("COMMIT")
                Wires(target, 1).merge(1)
                target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        publish_file(copy, out)
    return done


class _Cutting:
    """One port of one run, in a span of time."""

    def __init__(
        self,
        source: Database,
        target: Database,
        run_id: int,
        port: str,
        span: tuple[int, int],
        registry: Registry,
    ) -> None:
        self._source = source
        self._target = target
        self._run = run_id
        self._port = port
        self._span = span
        self._registry = registry
        self._devices = source.execute(DEVICES, (run_id, port)).fetchall()
        names = dict.fromkeys(name for name, *_ in self._devices)
        self._names = {name: f"device-{number}" for number, name in enumerate(names, 1)}
        self._new_port = neutral_port(port)
        serials = (
            serial
            for name in names
            for (message,) in source.execute(IDENTITIES, (run_id, name))
            for serial in serial_numbers(message.partition(IDENTITY)[2])
        )
        stated = [serial for (serial,) in source.execute(STATED, (run_id,)) if len(serial) >= LEAST_SERIAL]
        self._serials = {serial: neutral(serial) for serial in (*serials, *stated)}
        (rig,) = source.execute("SELECT rig FROM run WHERE id = ?", (run_id,)).fetchone()
        self._texts = stored_files(rig)
        self._files = {name: f"file-{number}{Path(name).suffix}" for number, name in enumerate(self._texts, 1)}

    async def write(self, out: str) -> Cut:
        done = Cut(out)
        self._write_run()
        for name in self._names:
            done.rows += self._write_rows(name)
        for name, _, driver, version, options in self._devices:
            table = {
                key: value if key in AS_THEY_ARE else self._clean_option(value)
                for key, value in msgspec.json.decode(options).items()
            }
            insert = "INSERT INTO device (run_id, name, port, driver, version, options) VALUES (1, ?, ?, ?, ?, ?)"
            columns = self._names[name], self._new_port, driver, version, msgspec.json.encode(table).decode()
            self._target.execute(insert, columns)
        kept = self._transactions()
        kept = await self._without_serials(kept, done)
        done.transactions = len(kept)
        Wires(self._target, 1).insert({self._new_port: kept} if kept else {})
        rebuild(self._target)
        seal_again(self._target)
        return done

    def _write_run(self) -> None:
        select = "SELECT started_ns, anchor_ns, rate_hz, versions FROM run WHERE id = ?"
        started, anchor, rate, versions = self._source.execute(select, (self._run,)).fetchone()
        lines = []
        for name, text in self._texts.items():
            kept = without_comments(text)
            for old, new in self._files.items():
                kept = kept.replace(old, new)
            head = f"# File {self._files[name]}, as it was when the run started:\n"
            lines.append(head + "".join(f"#| {line}\n" for line in kept.splitlines()))
        self._target.execute(
            "INSERT INTO run (id, run, name, started_ns, anchor_ns, finished_ns, rate_hz, host, versions, rig)"
            " VALUES (1, 'cut', 'cut', ?, ?, NULL, ?, 'host', ?, ?)",
            (started, anchor, rate, versions, "\n".join(lines)),
        )
        self._target.execute("INSERT INTO block (id, run_id, merged) VALUES (1, 1, 1)")

    def _write_rows(self, name: str) -> int:
        target, new = self._target, self._names[name]
        where = {"run": self._run, "device": name, "start": self._span[0], "end": self._span[1]}
        annotations: dict[tuple[Any, ...], int] = {}
        used: set[int] = set()
        rows = 0
        for channel, at, n, value, *note, tick, latency, skew, own, annotation in self._source.execute(READINGS, where):
            number = None
            if annotation is not None:
                text, unit, status, flags, error = note
                columns = self._without_numbers(text), unit, status, flags, self._clean(error)
                number = annotations.get(columns)
                if number is None:
                    number = annotations[columns] = target.execute(INSERT_ANNOTATION, columns).fetchone()[0]
            target.execute(
                "INSERT INTO reading VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (channel, at, n, value, number, tick, latency, skew, own),
            )
            used.add(channel)
            rows += 1
        for channel, parameter, instance, *rest in self._source.execute(CHANNEL, (self._run, name)).fetchall():
            if channel not in used:
                continue
            series = new, parameter, instance
            target.execute("INSERT OR IGNORE INTO series (device, parameter, instance) VALUES (?, ?, ?)", series)
            select = "SELECT id FROM series WHERE (device, parameter, instance) = (?, ?, ?)"
            (series_id,) = target.execute(select, series).fetchone()
            columns = channel, series_id, *rest
            target.execute("INSERT INTO channel VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)", columns)
        return rows

    def _transactions(self) -> list[KeptTransaction]:
        """Return those of the span, and before them those of opening and the newest one of each other request."""
        first = self._source.execute(
            "SELECT min(received_ns) FROM channel JOIN series ON series.id = series_id"
            " CROSS JOIN block ON block.run_id = channel.run_id"
            " CROSS JOIN reading ON block_id = block.id AND channel_id = channel.id"
            " WHERE channel.run_id = ? AND device IN (SELECT name FROM device WHERE run_id = ? AND port = ?)",
            (self._run, self._run, self._port),
        ).fetchone()[0]
        start, end = self._span
        opening: list[KeptTransaction] = []
        newest: dict[bytes, KeptTransaction] = {}
        span: list[KeptTransaction] = []
        for each in read_wires(self._source, self._run, self._port):
            if start <= each.received_ns <= end:
                span.append(each)
            elif each.received_ns < start and (first is None or each.received_ns < first):
                opening.append(each)
            elif each.received_ns < start and each.request:
                newest.pop(each.request, None)
                newest[each.request] = each
                if len(newest) > MOST_TRANSACTIONS:
                    del newest[next(iter(newest))]
        return [*opening[-MOST_TRANSACTIONS:], *newest.values(), *span]

    async def _without_serials(self, kept: Sequence[KeptTransaction], done: Cut) -> list[KeptTransaction]:
        """Replace serial numbers in the bytes, where the driver of a device accepts the changed reply."""
        changed: dict[tuple[bytes, bytes], bytes] = {}
        suspected = {(each.request, each.reply) for each in kept if self._has_serial(each.reply)}
        if suspected:
            for request, codec, each in await self._decoded(kept):
                pair = each.request, each.reply
                if pair in suspected and pair not in changed:
                    new = self._changed_reply(request, codec, each)
                    if new is not None:
                        changed[pair] = new
        done.replaced, done.left = len(changed), len(suspected) - len(changed)
        return [each._replace(reply=changed.get((each.request, each.reply), each.reply)) for each in kept]

    async def _decoded(self, kept: Sequence[KeptTransaction]) -> list[tuple[Any, Codec[Any, Any], KeptTransaction]]:
        """Return each transaction that a driver decodes, as its request, with the codec."""
        found: list[tuple[Any, Codec[Any, Any], KeptTransaction]] = []
        (rig,) = self._source.execute("SELECT rig FROM run WHERE id = ?", (self._run,)).fetchone()
        with StoredFiles(rig) as files:
            for name, port, driver, _, options in self._devices:
                table = {"name": name, "driver": driver, "port": port, **msgspec.json.decode(options)}
                slots = dict(self._slots(name))
                try:
                    spec = resolve_device(self._registry, files.inserted(table, self._registry))
                    await decode_today(spec, kept, slots, lambda *each: found.append(each))
                except (RiglogError, ExceptionGroup, ValueError):
                    continue
        return found

    def _slots(self, name: str) -> Iterator[tuple[int, int | None]]:
        where = {"run": self._run, "device": name, "start": self._span[0], "end": self._span[1]}
        for _, at, *_, tick, _, _, _, _ in self._source.execute(READINGS, where):
            yield at, tick

    def _has_serial(self, data: bytes) -> bool:
        return any(old in data for serial in self._serials for old, _ in encodings(serial, serial))

    def _changed_reply(self, request: Any, codec: Codec[Any, Any], kept: KeptTransaction) -> bytes | None:
        """Return a reply without serial numbers whose check at its end the codec accepts; None: there is none."""
        data = kept.reply
        for serial, other in self._serials.items():
            for old, new in encodings(serial, other):
                data = data.replace(old, new)

        def is_accepted(candidate: bytes) -> bool:
            codec.renumber(kept.request)
            codec.encode(request)
            try:
                return codec.decode(request, bytearray(candidate)) is not None
            except RiglogError:
                return False

        return next((candidate for candidate in with_checks(data) if is_accepted(candidate)), None)

    def _clean_option(self, value: Any) -> Any:
        """Return an option of a device without names, serial numbers and folders."""
        if isinstance(value, Mapping):
            return {key: self._clean_option(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._clean_option(each) for each in value]
        if not isinstance(value, str):
            return value
        last = re.split(r"[/\\]", value)[-1]
        if last in self._files:
            return self._files[last]
        return self._clean(last if re.search(r"^(/|~|[A-Za-z]:\\|\.{1,2}[/\\])", value) else value)

    def _clean(self, text: str | None) -> str | None:
        """Return a text of riglog without names of ports, hosts, devices and files, and without serial numbers."""
        if text is None:
            return None
        found = text.replace(self._port, self._new_port)
        words = {host_of(self._port): "host-1", **self._names, **self._files}
        for old in sorted(filter(None, words), key=len, reverse=True):
            found = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", words[old], found)
        return self._without_numbers(found)

    def _without_numbers(self, text: str | None) -> str | None:
        """Return a text without serial numbers."""
        for old, new in self._serials.items():
            text = text if text is None else text.replace(old, new)
        return text


def host_of(port: str) -> str:
    """Return the host in the name of a port; empty: it has none."""
    return urlsplit(port).hostname or "" if "://" in port else ""


def without_comments(text: str) -> str:
    """Return TOML without the comments, where they can be told from what is in strings; other texts as they are."""
    try:
        meaning = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    lines = text.splitlines()
    for number, line in enumerate(lines):
        for found in re.finditer("#", line):
            shorter = [*lines[:number], line[: found.start()].rstrip(), *lines[number + 1 :]]
            try:
                same = tomllib.loads("\n".join(shorter)) == meaning
            except tomllib.TOMLDecodeError:
                same = False
            if same:
                lines = shorter
                break
    return "\n".join(lines) + "\n"


def neutral_port(port: str) -> str:
    """Return the name of a port of the same kind."""
    scheme, colon, rest = port.partition(":")
    if rest.startswith("//"):
        return f"{scheme}://host-1:1"
    return f"{scheme}:port-1" if colon and len(scheme) > 1 else "/dev/port-1"


def serial_numbers(identity: str) -> list[str]:
    """Return what can be a serial number in an identity: all of it if it is one word, else the words of digits."""
    words = SERIAL.findall(identity)
    if len(identity.split()) == 1:
        return words[:1] if words and words[0] == identity.strip() else words
    return [word for word in words if sum(map(str.isdigit, word)) * 2 >= len(word)]


def neutral(serial: str) -> str:
    """Return a serial number of the same shape that belongs to nobody."""
    return re.sub("[A-Z]", "X", re.sub("[a-z]", "x", re.sub("[0-9]", "1", serial)))


def encodings(serial: str, other: str) -> Iterable[tuple[bytes, bytes]]:
    """Return how a serial number can be in bytes, and the other one in the same way: text, packed digits, integers."""
    yield serial.encode(), other.encode()
    if not serial.isdecimal() or not serial.isascii():
        return
    if not len(serial) % 2:
        yield bytes.fromhex(serial), bytes.fromhex(other)
    if 65_535 < int(serial) < 2**32 and int(other) < 2**32:
        old, new = int(serial).to_bytes(4, "big"), int(other).to_bytes(4, "big")
        for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 0, 3, 2)):
            yield bytes(old[place] for place in order), bytes(new[place] for place in order)


def with_checks(data: bytes) -> Iterator[bytes]:
    """Return a frame as it is, and with each value of one byte, two digits before the end of a line, and two bytes."""
    yield data
    for value in range(256):
        yield data[:-1] + bytes([value])
    line = data.rstrip(b"\r\n")
    for value in range(256):
        yield line[:-2] + b"%02X" % value + data[len(line) :]
    for value in range(65_536):
        yield data[:-2] + value.to_bytes(2, "big")
