"""A recorded run as simulated ports, and a rig file that records from them."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from riglog.errors import ConfigError, RiglogError
from riglog.manager import DeviceSpec, resolve_device
from riglog.model import SYSTEM_CLOCK
from riglog.plugin import Registry, installed
from riglog.protocol import Connection
from riglog.rig.kept_bytes import not_kept, refuse_schema_1
from riglog.rig.redecoding import NoTransport
from riglog.rig.stored_files import StoredFiles
from riglog.simulation.replayed import ReplayedPort
from riglog.sinks.sqlite.reader import RUNS, Database, opened_recording, refuse_unknown
from riglog.sinks.sqlite.wires import read_wires

WITH_BYTES = """
SELECT id, run, name, rate_hz, rig, finished_ns - started_ns FROM run
WHERE (:run IS NULL OR :run IN (run, name)) AND EXISTS (SELECT 1 FROM wire WHERE run_id = run.id)
ORDER BY id DESC LIMIT 1"""
DEVICES = """
SELECT name, port, driver, options FROM device
WHERE id IN (SELECT max(id) FROM device WHERE run_id = ? GROUP BY name) ORDER BY id"""


class ReplayedRun(Struct, frozen=True):
    """What a recording has of a run. ``ports`` by the names that they had; ``devices`` are ``[[device]]`` tables.

    ``seconds``: how long it was; None if it broke off. ``without_port``: devices that cannot be replayed.
    """

    run: str
    name: str
    rate_hz: float | None
    seconds: float | None
    speed: float
    ports: Mapping[str, ReplayedPort]
    devices: Sequence[dict[str, Any]]
    without_port: Sequence[str]
    derived: Sequence[dict[str, Any]]

    def devices_of(self, port: str) -> list[str]:
        """Return the names of the devices on a port."""
        return [table["name"] for table in self.devices if table["port"] == port]


def read_replay(
    path: str | Path, *, run: str | None = None, speed: float = 1.0, registry: Registry | None = None
) -> ReplayedRun:
    """Read the bytes of a run. Blocking; all of them are in memory afterwards.

    Args:
        run: the id of a run, or a name; default: the newest one with bytes.
        speed: 2: twice as fast as then.

    Raises:
        ConfigError: there is no such run, or its bytes were not kept.
        NotARecordingError, NewerSchemaError, StorageError: the file cannot be read.
    """
    path = Path(path)
    with opened_recording(path) as database:
        refuse_schema_1(database)
        refuse_unknown(database, "run", run, RUNS)
        found = database.execute(WITH_BYTES, {"run": run}).fetchone()
        if found is None:
            raise not_kept("recording")
        run_id, identity, name, rate_hz, rig, length = found
        devices: list[dict[str, Any]] = []
        without_port: list[dict[str, Any]] = []
        for device, port, driver, options in database.execute(DEVICES, (run_id,)).fetchall():
            table = {"name": device, "driver": driver, "port": port, **_decoded(options)}
            (devices if port is not None else without_port).append(table)
        numbers = _numbers(devices, rig, registry or installed())
        ports = {
            port: _port(database, run_id, port, speed, numbers.get(port))
            for (port,) in database.execute("SELECT DISTINCT port FROM wire WHERE run_id = ? ORDER BY port", (run_id,))
        }
    return ReplayedRun(
        run=identity,
        name=name,
        rate_hz=rate_hz,
        seconds=None if length is None else length / 1e9,
        speed=speed,
        ports=ports,
        devices=[table for table in devices if table["port"] in ports],
        without_port=[table["name"] for table in without_port],
        derived=_derived(rig),
    )


def rig_for(replayed: ReplayedRun, ports: Mapping[str, str], out: str) -> str:
    """Return the text of a rig file that records a replayed run.

    Args:
        ports: the present name of each port, by the one that it had.
        out: the SQLite file to record into.
    """
    rate = (replayed.rate_hz or 1.0) * replayed.speed
    lines = [
        f"# Records what `riglog replay` serves of the run {json.dumps(replayed.run)}.",
        "[run]",
        f"name = {_toml(replayed.name)}",
        f"rate_hz = {_toml(rate)}",
    ]
    lines += ["", "[[sink]]", 'type = "sqlite"', f"path = {_toml(out)}"]
    for table in replayed.devices:
        scaled = {"rate_hz": table["rate_hz"] * replayed.speed} if isinstance(table.get("rate_hz"), float | int) else {}
        lines += ["", "[[device]]", *_keys(table | scaled | {"port": ports[table["port"]]})]
    for derived in replayed.derived:
        lines += ["", "[[derived]]", *_keys(derived)]
    return "\n".join(lines) + "\n"


def _port(database: Database, run_id: int, port: str, speed: float, number: slice | None) -> ReplayedPort:
    try:
        return ReplayedPort(read_wires(database, run_id, port), speed=speed, number=number)
    except ValueError as error:
        hint = "See what was changed: riglog verify"
        raise ConfigError(f"the bytes of {port} are not valid", hint=hint) from error


def _numbers(devices: Sequence[dict[str, Any]], rig: str | None, registry: Registry) -> dict[str, slice | None]:
    """Return where the transaction number is in the frames of each port, as far as its drivers are installed."""
    found: dict[str, slice | None] = {}
    with StoredFiles(rig) as files:
        for table in devices:
            with suppress(RiglogError, ExceptionGroup, ValueError):
                found.setdefault(table["port"], _number(resolve_device(registry, files.inserted(table, registry))))
    return found


def _number(spec: DeviceSpec) -> slice | None:
    if spec.port is None:
        return None
    client = spec.port.factory(Connection(NoTransport(spec.port.name), spec.port.link, SYSTEM_CLOCK))
    number: slice | None = client.codec.transaction_number
    return number


def _decoded(options: str | None) -> dict[str, Any]:
    try:
        return msgspec.json.decode(options or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _derived(rig: str | None) -> list[dict[str, Any]]:
    try:
        found = tomllib.loads(rig or "").get("derived", [])
    except (tomllib.TOMLDecodeError, AttributeError):
        return []
    return [table for table in found if isinstance(table, dict)] if isinstance(found, list) else []


def _keys(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(name)} = {_toml(value)}" for name, value in table.items() if value is not None]


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _toml(name)


def _toml(value: Any) -> str:
    """Return a value as TOML, a table in one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_keys(value)) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
