"""Compares FILE with its seals (docs/reference/seals.md): python verify_seals.py FILE [HEAD]. Exit code 1: changed."""

import hashlib
import json
import sqlite3
import struct
import sys
import zlib
from itertools import islice
from typing import Any

TABLES = ["actor", "event", "note", "alarm", "alarm_change", "parameter_write", "device", "identity"]
TABLES += ["equipment", "certificate", "calibration", "clock_check"]
KINDS: dict[Any, Any] = {str: (32, 0xA0, 0xD9, 0), bytes: (0, 0, 0xC4, 0)}
RUN = "SELECT id, run, name, started_ns, anchor_ns, rate_hz, host, versions, rig, source FROM run WHERE id = ?"
CHANNEL = """SELECT channel.id, run_id, segment, device, parameter, instance, driver, protocol, address, parameter_id,
    unit, formula, inputs FROM channel JOIN series ON series.id = series_id LEFT JOIN derived ON channel_id = channel.id
    WHERE channel.id = ?"""
READINGS = """SELECT channel_id, received_ns, n, value, annotation_id, tick, latency_ns, skew_ns, own_ns
    FROM block CROSS JOIN reading ON block_id = block.id AND channel_id = ?
    WHERE block.run_id = (SELECT run_id FROM channel WHERE id = ?) ORDER BY block.id, received_ns, n"""
ANNOTATION = "SELECT text, unit, status, flags, error FROM annotation WHERE id = ?"
WIRES = "SELECT encoding, content, first_ns FROM wire NOT INDEXED WHERE run_id = ? AND port = ? ORDER BY id"


def pack(value: Any) -> bytes:  # MessagePack in its shortest form
    if value is None or isinstance(value, float):
        return b"\xc0" if value is None else b"\xcb" + struct.pack(">d", value)
    if isinstance(value, int):
        if -32 <= value < 128:
            return struct.pack("b", value)
        width = next(n for n in range(4) if -1 << (8 << n) - 1 <= value and value < 1 << (8 << n))
        return bytes([(0xCC if value > 0 else 0xD0) + width]) + value.to_bytes(1 << width, "big", signed=value < 0)
    few, short, code, least = KINDS.get(type(value), (16, 0x90, 0xDB, 1))
    content = value.encode() if isinstance(value, str) else value if code == 0xC4 else b"".join(map(pack, value))
    size = len(content) if code != 0xDB else len(value)
    width = next(n for n in range(least, 3) if size < 1 << (8 << n))
    return (bytes([short | size]) if size < few else bytes([code + width]) + size.to_bytes(1 << width, "big")) + content


def planes(data: Any, count: int, size: int) -> list[bytes]:  # all first bytes, all second bytes, and so on
    part = bytes(islice(data, count * size))
    return [part[n::count] for n in range(count)]


def transactions(rows: Any) -> Any:
    for encoding, content, now in rows:
        head, _, rest = (zlib.decompress(content) if encoding == "planes+zlib" else content).partition(b"\n")
        (count, shapes), data = json.loads(head), iter(rest)
        shape, times, latencies = [struct.unpack(f"<{count}q", b"".join(planes(data, count, 8))) for _ in range(3)]
        replies = [iter(planes(data, shape.count(n), size)) for n, (_, size, _) in enumerate(shapes)]
        for n, after, latency in zip(shape, times, latencies):
            now += after
            yield now, latency if latency >= 0 else None, bytes.fromhex(shapes[n][0]), next(replies[n]), shapes[n][2]


def verify(file: sqlite3.Connection, head: str | None = None) -> str | None:
    file.execute("BEGIN")
    query: Any = lambda sql, *values: file.execute(sql, values)  # noqa: E731
    cursors, sealed, lines, rows = dict[Any, Any](), dict[int, int](), dict[Any, Any](), dict.fromkeys(TABLES, 0)
    previous, before, extent, heads, runs = bytes(32), 0, "", dict[str, Any](), set[Any]()
    for flush, form, hash, stored in query("SELECT flush_id, format, hash, extent FROM seal ORDER BY 1").fetchall():
        counts, ranges, wires = json.loads(extent := extent if stored is None else stored)
        flushes = query("SELECT * FROM flush WHERE id > ? AND id <= ? ORDER BY id", before, flush).fetchall()
        run = flushes[-1][1] if flushes else None
        parts = [flushes, [] if run in runs else query(RUN, run).fetchall(), [], [], [], []]
        for channel, count in [(c + i, n) for c, more, n in zip(*[iter(counts)] * 3) for i in range(more)]:
            parts[2] += [] if channel in cursors else query(CHANNEL, channel).fetchall()
            cursors.setdefault(channel, query(READINGS, channel, channel))
            for row in cursors[channel].fetchmany(count):
                parts[3].append([*row[:4], row[4] and (query(ANNOTATION, row[4]).fetchone() or ()), *row[5:]])
            sealed[channel] = sealed.get(channel, 0) + count
        for number, first, count in zip(*[iter(ranges)] * 3):
            rows[TABLES[number]] += count
            sql = f"SELECT * FROM {TABLES[number]} WHERE rowid >= ? ORDER BY 1 LIMIT ?"
            parts[4].append(query(sql, first, count).fetchall())
        for port, count in zip(*[iter(wires)] * 2):
            lines.setdefault((run, port), transactions(query(WIRES, run, port)))
            parts[5].append(list(islice(lines[run, port], count)))
        if form != 1 or hashlib.sha256(previous + extent.encode() + b"".join(map(pack, parts))).digest() != hash:
            return f"block {len(heads) + 1} is not as it was sealed"
        previous, before, heads[hash.hex()], runs = hash, flush, None, runs | {run}
    stored = dict(query("SELECT channel_id, count(*) FROM reading GROUP BY channel_id"))
    more = query("SELECT 1 FROM flush WHERE id > ?", before).fetchall() + [x for line in lines.values() for x in line]
    if stored != sealed or more or any(query(f"SELECT count(*) FROM {t}").fetchone()[0] != n for t, n in rows.items()):
        return "there is more than was sealed"
    print(f"{len(heads)} blocks, {sum(sealed.values())} readings: as they were sealed. Head: {previous.hex()}")
    return None if head in (None, *heads) else "the head is not in the file"


if __name__ == "__main__":
    sys.exit(verify(sqlite3.connect(sys.argv[1]), *sys.argv[2:]))
