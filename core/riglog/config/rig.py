"""Reads rig.toml: the run, its sinks and its devices. The whole file is checked before anything is opened."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from msgspec import Meta, Struct

from riglog.acquire import Overflow
from riglog.alarms import Action, Alarm
from riglog.config.alarms import TYPE_HINT, duplicate_names, read_action, read_alarm
from riglog.config.derived import derived_periods, read_derived
from riglog.config.duration import seconds
from riglog.config.environment import expand
from riglog.config.equipment import read_equipment
from riglog.config.places import place
from riglog.config.rotation import ROTATABLE, rotated
from riglog.config.secrets import without_secrets
from riglog.config.shared_paths import shared_paths
from riglog.derived import DEVICE, Derived
from riglog.errors import ConfigError, did_you_mean, error_context
from riglog.manager import DeviceSpec, PortUtilisation, check_compatible, port_utilisation, resolve_device
from riglog.model import Sink
from riglog.model.equipment import Equipment
from riglog.plugin import Registry, installed
from riglog.plugin.names import mistakes_in
from riglog.plugin.options import convert_all

P = ParamSpec("P")
T = TypeVar("T")
MOST_BYTES = 32_000_000
"""Of a rig file; a recording that is given in its place may be larger."""
NAME = "a name of letters, digits, _, . and -, starting with a letter or digit, at most 64 characters"
TABLE_KINDS: dict[str, type[dict[str, Any]] | type[list[Any]]] = {
    "run": dict,
    "sink": list,
    "ports": dict,
    "device": list,
    "derived": list,
    "alarm": list,
    "actions": dict,
    "equipment": dict,
}
TABLES = tuple(TABLE_KINDS)


class RunConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The table ``[run]``. ``rate_hz`` applies to devices that have no rate of their own.

    ``read_only``: no call may change an instrument of the rig.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description=NAME)] = "run"
    rate_hz: Annotated[float, Meta(gt=0, le=10_000)] = 1.0
    duration: str | float | None = None
    flush_interval: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    overflow: Literal["block", "drop_newest", "drop_oldest"] = "block"
    read_only: bool = False


class RigConfig(Struct, frozen=True, kw_only=True):
    """A rig file that was checked.

    ``duration`` and ``flush_interval`` are in seconds. ``destinations`` are the paths of the sinks, for messages.
    ``text`` is the file, which is stored with the run, and behind it as comments the files that its drivers read;
    passwords in it are replaced by ``***``.
    """

    name: str
    rate_hz: float
    specs: tuple[DeviceSpec, ...]
    sinks: tuple[Sink, ...]
    duration: float | None = None
    flush_interval: float = 1.0
    overflow: Overflow = Overflow.BLOCK
    read_only: bool = False
    utilisation: tuple[PortUtilisation, ...] = ()
    destinations: tuple[str, ...] = ()
    text: str = ""
    derived: tuple[Derived, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    actions: tuple[Action, ...] = ()
    equipment: tuple[Equipment, ...] = ()


def load_rig(
    path: str | Path,
    *,
    registry: Registry | None = None,
    out: str | Path | None = None,
    rotate: str | None = None,
) -> RigConfig:
    """Read and check a rig file. Nothing is opened, except the file itself.

    Args:
        registry: source of drivers and sinks; default: the installed plugins.
        out: path of an SQLite file to record into, instead of the sinks of the rig file.
        rotate: a size or time after which a further file is begun, for all sinks that can.

    Raises:
        ExceptionGroup: one ConfigError per mistake in the file.
        ConfigError: the file cannot be read, or is not TOML.
    """
    path = Path(path)
    with error_context(file=path):
        text = _read(path)
    return parse_rig(text, path, registry=registry, out=out, rotate=rotate)


def parse_rig(
    text: str,
    path: Path,
    *,
    registry: Registry | None = None,
    out: str | Path | None = None,
    rotate: str | None = None,
) -> RigConfig:
    """Check the text of a rig file, which is or will be at ``path``; as ``load_rig``."""
    plugins = registry or installed()
    with error_context(file=path):
        parsed = _parse(text)
    problems = Problems(path)
    problems.extend(_unknown_tables(parsed))
    table = problems.attempt(expand, parsed, "")
    if table is None:  # without the value of the variable the rest of the file cannot be checked
        raise ExceptionGroup(str(path), problems.found)
    run = problems.attempt(convert_all, _table(table, "run"), RunConfig, "run") or RunConfig()
    duration = problems.attempt(seconds, run.duration, "run.duration") if run.duration is not None else None
    sinks = [_with_rotation(sink, rotate) for sink in _sinks(table, run.name, out)]
    problems.extend(shared_paths([str(sink["path"]) for sink in sinks if "path" in sink]))
    made = [problems.attempt(_sink, plugins, sink, place("sink", n, sink)) for n, sink in enumerate(sinks)]
    specs = _specs(table, plugins, problems)
    problems.extend(_conflicts(specs))
    actions = _actions(table, problems)
    derived = problems.attempt(read_derived, _tables(table, "derived"), specs, rate_hz=run.rate_hz, names=_names(table))
    alarms = _alarms(table, specs, derived or (), run.rate_hz, problems)
    equipment = problems.attempt(read_equipment, _table(table, "equipment"), specs, _names(table), path.parent)
    utilisation = tuple(port_utilisation(specs, run.rate_hz))
    for port in utilisation:
        problems.attempt(port.refuse_impossible)
    if problems.found:
        raise ExceptionGroup(str(path), problems.found)
    return RigConfig(
        name=run.name,
        rate_hz=run.rate_hz,
        specs=specs,
        sinks=tuple(sink for sink in made if sink is not None),
        duration=duration,
        flush_interval=run.flush_interval,
        overflow=Overflow(run.overflow),
        read_only=run.read_only,
        utilisation=utilisation,
        destinations=tuple(str(sink.get("path", sink.get("type"))) for sink in sinks),
        text=without_secrets(with_instruments(text, specs)),
        derived=derived or (),
        alarms=alarms,
        actions=actions,
        equipment=equipment or (),
    )


class Problems:
    """All mistakes of a file, so that they can be reported together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[ConfigError] = []

    def attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return the result of ``read``; if it raises a ConfigError, keep the error and return None."""
        try:
            return read(*args, **kwargs)
        except ConfigError as error:
            self.extend([error])
        except ExceptionGroup as group:  # all mistakes of a file that the rig file names
            self.extend(mistakes_in(group))
        return None

    def extend(self, errors: Iterable[ConfigError]) -> None:
        """Add errors; the path of the file is added to their context."""
        for error in errors:
            error.context = {"file": self.path} | error.context
            self.found.append(error)


def _specs(table: Mapping[str, Any], plugins: Registry, problems: Problems) -> tuple[DeviceSpec, ...]:
    devices, ports = _tables(table, "device"), _table(table, "ports")
    if not devices and not {"device", "devices"} & table.keys():  # a misspelt table is named already
        hint = "Add one, or run `riglog discover --write RIG.toml` to generate a rig file"
        problems.extend([ConfigError("no [[device]] table", hint=hint)])
    specs = []
    for number, device in enumerate(devices):
        whole = problems.attempt(_with_port, device, ports)
        if whole is not None:
            whole = with_files(whole, plugins, problems.path.parent)
            specs.append(problems.attempt(resolve_device, plugins, whole, place("device", number, device)))
    return tuple(spec for spec in specs if spec is not None)


def _actions(table: Mapping[str, Any], problems: Problems) -> tuple[Action, ...]:
    tables = {name: found for name, found in _table(table, "actions").items() if isinstance(found, dict)}
    made = [problems.attempt(read_action, name, found) for name, found in tables.items()]
    return tuple(action for action in made if action is not None)


def _alarms(
    table: Mapping[str, Any],
    specs: Sequence[DeviceSpec],
    derived: Sequence[Derived],
    rate_hz: float,
    problems: Problems,
) -> tuple[Alarm, ...]:
    names = [*_names(table), *(str(found.get("device", DEVICE)) for found in _tables(table, "derived"))]
    periods = dict.fromkeys(names, 1 / rate_hz) | derived_periods(derived)
    periods |= {spec.name: 1 / (spec.config.rate_hz or rate_hz) for spec in specs}
    alarms = []
    for number, found in enumerate(_tables(table, "alarm")):
        where = place("alarm", number, found)
        alarms.append(
            problems.attempt(
                read_alarm,
                found,
                where,
                periods=periods,
                actions=_table(table, "actions"),
                run_period=1 / rate_hz,
                specs=specs,
            )
        )
    read = tuple(alarm for alarm in alarms if alarm is not None)
    problems.extend(duplicate_names(read))
    return read


def _names(table: Mapping[str, Any]) -> list[str]:
    """Return the names of all devices, also of those with mistakes."""
    return [str(device["name"]) for device in _tables(table, "device") if "name" in device]


def _sinks(table: Mapping[str, Any], name: str, out: str | Path | None) -> list[dict[str, Any]]:
    if out is not None:
        return [{"type": "sqlite", "path": str(out)}]
    return _tables(table, "sink") or [{"type": "sqlite", "path": f"{name}.sqlite"}]


def _with_rotation(sink: dict[str, Any], rotate: str | None) -> dict[str, Any]:
    return sink if rotate is None or sink.get("type") not in ROTATABLE else sink | {"rotate": rotate}


def _read(path: Path) -> str:
    """Return the text of a rig file. A named pipe would be waited for, and what has no end would fill the memory."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise ConfigError("path is not a file", hint="Give the name of a rig file")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES and not _is_database(content):
            hint = "Check that it is a rig file"
            raise ConfigError(f"larger than {MOST_BYTES // 1_000_000} MB", hint=hint)
        text = content.decode("utf-8-sig")  # -sig: editors on Windows write a byte order mark
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError:
        hint = f"Check the path, or create the file with `riglog discover --write {path}`"
        raise ConfigError("file not found", hint=hint) from None
    except UnicodeDecodeError as error:
        if _is_database(error.object):
            raise ConfigError(
                "this is an SQLite recording, not a rig file",
                hint="Give the rig file, for example rig.toml. The recording was not modified",
            ) from None
        raise ConfigError(f"not valid UTF-8 text (byte {error.start})", hint="Save the file as UTF-8") from None
    except OSError as error:
        hint = "Check the path and its permissions"
        raise ConfigError(f"cannot read the file: {error.strerror}", hint=hint) from None


def _is_database(content: bytes) -> bool:
    from riglog.sinks.sqlite.schema import HEADER  # not at the top: it imports sqlite3

    return content.startswith(HEADER)


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = "Put strings in quotes and write tables as [run] or [[device]]"
        raise ConfigError(f"invalid TOML: {error}", hint=hint) from None
    except RecursionError:
        raise ConfigError("not a rig file: arrays nested too deeply") from None


def _unknown_tables(table: Mapping[str, Any]) -> Iterator[ConfigError]:
    for name in table:
        if name not in TABLES:
            hint = did_you_mean(name, TABLES).strip() or f"Available tables: {', '.join(TABLES)}"
            yield ConfigError(f"{name}: unknown table", hint=hint)
    for name, kind in TABLE_KINDS.items():
        found = table.get(name, kind())
        shown = f"[{name}]" if kind is dict else f"[[{name}]]"
        if not isinstance(found, kind) or (kind is list and not all(isinstance(entry, dict) for entry in found)):
            yield ConfigError(f"{name}: must be a table {shown}", hint=f"Start the table with {shown}")
    for name, action in _table(table, "actions").items():
        if not isinstance(action, dict):
            yield ConfigError(f"actions.{name}: must be a table [actions.{name}]", hint=TYPE_HINT)
    for name, port in _table(table, "ports").items():
        if not isinstance(port, dict):
            hint = f'Start the table with [ports.{name}] and add device = "/dev/ttyUSB0"'
            yield ConfigError(f"ports.{name}: must be a table [ports.{name}]", hint=hint)


def _table(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = table.get(name, {})
    return found if isinstance(found, dict) else {}


def _tables(table: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = table.get(name, [])
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _sink(plugins: Registry, table: dict[str, Any], where: str) -> Sink:
    if "type" not in table:
        raise ConfigError(f"{where}.type: missing", hint='Add type = "sqlite"')
    kind = plugins.sink(str(table["type"]), where)
    return rotated(kind, convert_all(table, kind.config, where), where)


def _with_port(device: dict[str, Any], ports: Mapping[str, Any]) -> dict[str, Any]:
    """Return a device's table with the keys of its ``[ports.NAME]`` table; a key in both must have the same value."""
    named = ports.get(str(device["port"])) if "port" in device else None
    if not isinstance(named, dict):
        return device
    where = f"ports.{device['port']}"
    if "device" not in named:
        raise ConfigError(f"{where}.device: missing", hint='Add device = "/dev/ttyUSB0"')
    for key in named.keys() & device.keys():
        if named[key] != device[key]:
            raise ConfigError(
                f"{where}.{key}: {named[key]!r} here, {device[key]!r} in the [[device]] table",
                hint="Set it in one of the two tables only",
                device=device.get("name"),
            )
    return device | {key: value for key, value in named.items() if key != "device"} | {"port": named["device"]}


def with_files(device: dict[str, Any], plugins: Registry, folder: Path) -> dict[str, Any]:
    """Return a device's table with the paths of files that its driver reads: they are relative to the rig file."""
    driver = plugins.drivers.get(str(device.get("driver")))
    keys = () if driver is None else driver.config.file_keys
    texts = {key: device[key] for key in keys if isinstance(device.get(key), str)}
    return device | {key: str(folder / text) for key, text in texts.items() if Path(text).suffix}


def with_instruments(text: str, specs: tuple[DeviceSpec, ...]) -> str:
    """Return the text of a rig file, and behind it as comments each file that describes an instrument, once."""
    found = {item: None for spec in specs for item in spec.driver.files(spec.config).items()}
    for name, content in found:
        lines = (f"#| {line}".rstrip() for line in content.splitlines())
        text = "\n".join([text.rstrip("\n"), "", f"# File {name}, as it was when the run started:", *lines, ""])
    return text


def _conflicts(specs: tuple[DeviceSpec, ...]) -> Iterator[ConfigError]:
    """Yield the conflicts between the devices of a rig: duplicate names, and ports that cannot be shared."""
    names: set[str] = set()
    ports: dict[str, list[DeviceSpec]] = {}
    for wanted in specs:
        if wanted.name in names:
            hint = "Give every device a unique name"
            yield ConfigError(f"duplicate device name {wanted.name!r}", hint=hint)
        names.add(wanted.name)
        if wanted.port is None:
            continue
        others = ports.setdefault(wanted.key, [])
        try:
            if others and others[0].port is not None:
                check_compatible(wanted, others[0].port, {other.name: other.address for other in others})
        except ConfigError as error:
            yield error
        others.append(wanted)
