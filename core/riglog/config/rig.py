"""rig.toml: what to record, from where, how often and into what. Read and checked whole before anything is opened."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from msgspec import Meta, Struct

from riglog.acquire import Overflow
from riglog.config.duration import seconds
from riglog.config.environment import expand
from riglog.errors import ConfigError, error_context
from riglog.manager import DeviceSpec, PortUtilisation, check_compatible, port_utilisation, resolve_device
from riglog.model import Sink
from riglog.plugin import Registry, convert, installed

P = ParamSpec("P")
T = TypeVar("T")
NAME = "a name: letters, digits, _, . and -, beginning with a letter or digit, at most 64"
TABLES = ("run", "sink", "ports", "device")


class RunConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The table ``[run]``. ``rate_hz`` is for devices without a rate of their own."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description=NAME)] = "run"
    rate_hz: Annotated[float, Meta(gt=0, le=10_000)] = 1.0
    duration: str | float | None = None
    flush_interval: Annotated[float, Meta(gt=0, le=3600)] = 1.0
    overflow: Literal["block", "drop_newest", "drop_oldest"] = "block"


class RigConfig(Struct, frozen=True):
    """A rig file that was understood. ``text`` is the file as it stands, for the recording."""

    path: Path
    text: str
    name: str
    rate_hz: float
    duration: float | None
    flush_interval: float
    overflow: Overflow
    sinks: tuple[Sink, ...]
    specs: tuple[DeviceSpec, ...]
    lines: tuple[PortUtilisation, ...] = ()


def load_rig(path: str | Path, *, registry: Registry | None = None, out: str | None = None) -> RigConfig:
    """Read a rig file.

    Args:
        out: an SQLite file to record into instead of what the file says.

    Raises:
        ExceptionGroup: one ConfigError for each thing that is wrong.
        ConfigError: the file cannot be read at all.
    """
    path = Path(path)
    plugins = registry or installed()
    with error_context(file=path):
        text = _read(path)
        parsed = _parse(text)
    problems = Problems(path)
    problems.extend(_unknown_tables(parsed))
    table = problems.attempt(expand, parsed, "")
    if table is None:  # what a variable would say is not known, so nothing else can be judged
        raise ExceptionGroup(str(path), problems.found)
    run = problems.attempt(convert, _table(table, "run"), RunConfig, "run") or RunConfig()
    duration = problems.attempt(seconds, run.duration, "run.duration") if run.duration is not None else None
    sinks = _sinks(table, run.name, out)
    problems.extend(_same_path(sinks))
    made = [problems.attempt(_sink, plugins, sink, f"sink[{n}]") for n, sink in enumerate(sinks)]
    specs = _plans(table, plugins, problems)
    problems.extend(_conflicts(specs))
    lines = tuple(port_utilisation(specs, run.rate_hz))
    for line in lines:
        problems.attempt(line.refuse_impossible)
    if problems.found:
        raise ExceptionGroup(str(path), problems.found)
    overflow = Overflow(run.overflow)
    stores = tuple(sink for sink in made if sink is not None)
    return RigConfig(path, text, run.name, run.rate_hz, duration, run.flush_interval, overflow, stores, specs, lines)


class Problems:
    """Everything that is wrong with a file, so that all of it can be mended at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[ConfigError] = []

    def attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What ``read`` gives, or None and one more problem."""
        try:
            return read(*args, **kwargs)
        except ConfigError as error:
            self.extend([error])
            return None

    def extend(self, errors: Iterable[ConfigError]) -> None:
        for error in errors:
            error.context = {"file": self.path} | error.context
            self.found.append(error)


def _plans(table: Mapping[str, Any], plugins: Registry, problems: Problems) -> tuple[DeviceSpec, ...]:
    devices, ports = _tables(table, "device"), _table(table, "ports")
    if not devices:
        hint = "`riglog discover --write RIG.toml` finds some"
        problems.extend([ConfigError("there is no [[device]]", hint=hint)])
    found = []
    for number, device in enumerate(devices):
        whole = problems.attempt(_with_port, device, ports)
        if whole is not None:
            found.append(problems.attempt(resolve_device, plugins, whole, f"device[{number}]"))
    return tuple(one for one in found if one is not None)


def _sinks(table: Mapping[str, Any], name: str, out: str | None) -> list[dict[str, Any]]:
    if out is not None:
        return [{"type": "sqlite", "path": out}]
    return _tables(table, "sink") or [{"type": "sqlite", "path": f"{name}.sqlite"}]


def _same_path(sinks: Sequence[Mapping[str, Any]]) -> Iterator[ConfigError]:
    """Two sinks in one file would store every row twice, or spoil each other's."""
    paths = [str(sink["path"]) for sink in sinks if "path" in sink]
    for path in dict.fromkeys(path for path in paths if paths.count(path) > 1):
        yield ConfigError(f"sink.path: {path!r} is the path of two sinks", hint="give each its own")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows editors put a mark before the text
    except FileNotFoundError:
        hint = f"check the path, or make one with `riglog discover --write {path}`"
        raise ConfigError("there is no such file", hint=hint) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"this is no text in UTF-8 (byte {error.start})", hint="save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"the file cannot be read: {error.strerror}", hint="check path and permissions") from None


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"this is not TOML: {error}", hint="strings need quotes; tables look like [[device]]"
        ) from None
    except RecursionError:
        raise ConfigError("this is not a rig file: its lists are nested too deeply") from None


def _unknown_tables(table: Mapping[str, Any]) -> Iterator[ConfigError]:
    for name in table:
        if name not in TABLES:
            close = get_close_matches(name, TABLES, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(TABLES)}"
            yield ConfigError(f"{name}: unknown table", hint=hint)
    for name, kind in (("run", dict), ("ports", dict), ("device", list), ("sink", list)):
        found = table.get(name, kind())
        shown = f"[{name}]" if kind is dict else f"[[{name}]]"
        if not isinstance(found, kind) or (kind is list and not all(isinstance(one, dict) for one in found)):
            yield ConfigError(f"{name}: is written as {shown}", hint=f"begin the table with {shown}")
    for name, port in _table(table, "ports").items():
        if not isinstance(port, dict):
            hint = f'begin the table with [ports.{name}], in it device = "/dev/ttyUSB0"'
            yield ConfigError(f"ports.{name}: is written as [ports.{name}]", hint=hint)


def _table(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = table.get(name, {})
    return found if isinstance(found, dict) else {}


def _tables(table: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = table.get(name, [])
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _sink(plugins: Registry, table: dict[str, Any], where: str) -> Sink:
    if "type" not in table:
        raise ConfigError(f"{where}.type: is missing", hint='add type = "sqlite"')
    kind = plugins.sink(str(table["type"]))
    return kind.create(convert(table, kind.config, where))


def _with_port(device: dict[str, Any], ports: Mapping[str, Any]) -> dict[str, Any]:
    """A device's table with what ``[ports.NAME]`` says about its port; a key in both must say the same."""
    named = ports.get(str(device.get("port")))
    if not isinstance(named, dict):
        return device
    where = f"ports.{device['port']}"
    if "device" not in named:
        raise ConfigError(f"{where}.device: is missing", hint='add device = "/dev/ttyUSB0"')
    for key in named.keys() & device.keys():
        if named[key] != device[key]:
            raise ConfigError(f"{where}.{key} is {named[key]!r}, the device says {device[key]!r}", hint="say it once")
    return device | {key: value for key, value in named.items() if key != "device"} | {"port": named["device"]}


def _conflicts(specs: tuple[DeviceSpec, ...]) -> Iterator[ConfigError]:
    """Yield what keeps the devices of a rig from being operated together."""
    names: set[str] = set()
    ports: dict[str, list[DeviceSpec]] = {}
    for wanted in specs:
        if wanted.name in names:
            hint = "Give every device a unique name"
            yield ConfigError(f"duplicate device name {wanted.name!r}", hint=hint, device=wanted.name)
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
