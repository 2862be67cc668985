"""The tables ``[[derived]]`` of a rig file."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from riglog.config.channels import named_as_recorded
from riglog.config.places import place
from riglog.derived import DEVICE, FUNCTIONS, MOST_ROWS, WINDOW_FUNCTIONS, Derived, Formula, FormulaError, read_formula
from riglog.errors import ConfigError
from riglog.manager import DeviceSpec
from riglog.manager.declared import declared_channels, device_paced
from riglog.plugin.config import NAME, NAME_PATTERN
from riglog.plugin.options import convert_all

NAME_HINT = "a name of letters, digits and _, starting with a letter or _, at most 64 characters"
MOST_SHOWN = 8
LANGUAGE = f"numbers, channels, + - * / **, parentheses, {', '.join([*FUNCTIONS, *WINDOW_FUNCTIONS])}"


class DerivedConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A ``[[derived]]`` table."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}\Z", description=NAME_HINT)]
    formula: Annotated[str, Meta(min_length=1, description="a formula such as oven.level - oven.setpoint")]
    unit: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    device: Annotated[str, Meta(pattern=NAME_PATTERN, description=NAME)] = DEVICE
    input_units: dict[str, str] = {}


class Stated(Struct, frozen=True):
    """A table that could be read, with its place in the file and its formula, if it is one."""

    where: str
    config: DerivedConfig
    formula: Formula | None

    @property
    def channel(self) -> str:
        return f"{self.config.device}.{self.config.name}"


class Pace(Struct, frozen=True):
    """The time between two rows of a channel in seconds; whether its device sets it."""

    period_s: float
    device_paced: bool


def read_derived(
    tables: Sequence[Mapping[str, Any]], specs: Sequence[DeviceSpec], *, rate_hz: float, names: Sequence[str]
) -> tuple[Derived, ...]:
    """Return the derived channels, each after those that it needs.

    Args:
        specs: the devices without mistakes; ``names``: the names of all.

    Raises:
        ExceptionGroup: all mistakes, each a ConfigError.
    """
    problems: list[ConfigError] = []
    known = {spec.name: spec for spec in specs}

    def named(channel: str) -> str:
        spec = known.get(channel.partition(".")[0])
        return channel if spec is None else named_as_recorded(channel, spec)

    stated = list(_stated(tables, named, problems))
    problems += _name_problems(stated, names)
    derived_names = {f"{table.get('device', DEVICE)}.{table.get('name')}" for table in tables}
    channels = cache(lambda device: tuple(str(each) for each in declared_channels(known[device])))
    for each in stated:
        for name in each.formula.inputs if each.formula is not None else ():
            problems += _input_problems(each, name, names, known, derived_names, channels)
        problems += _unit_problems(each)
    try:
        order = tuple(TopologicalSorter({each.channel: _needs(each, stated) for each in stated}).static_order())
    except CycleError as error:
        circle = " needs ".join(reversed(error.args[1]))
        problems.append(ConfigError(f"derived: a circle: {circle}", hint="Remove one of the channels from a formula"))
        order = ()
    if problems:
        raise ExceptionGroup("derived", problems)
    made = _made(stated, order, {spec.name: _pace(spec, rate_hz) for spec in specs}, problems)
    if problems:
        raise ExceptionGroup("derived", problems)
    return made


def derived_periods(derived: Iterable[Derived]) -> dict[str, float]:
    """Return the longest time between two rows of each device of derived channels, in seconds."""
    found: dict[str, float] = {}
    for each in derived:
        found[each.device] = max(found.get(each.device, 0.0), each.period_s)
    return found


def _stated(
    tables: Sequence[Mapping[str, Any]], named: Callable[[str], str], problems: list[ConfigError]
) -> Iterator[Stated]:
    """Yield the tables that could be read. ``named`` returns the name under which a channel is recorded."""
    for number, table in enumerate(tables):
        where = place("derived", number, table)
        try:
            config = convert_all(table, DerivedConfig, where)
        except ConfigError as error:
            problems.append(error)
            continue
        except ExceptionGroup as group:
            problems += [error for error in group.exceptions if isinstance(error, ConfigError)]
            continue
        formula = None
        try:
            formula = read_formula(config.formula, named=named)
            units = {named(channel): unit for channel, unit in config.input_units.items()}
            config = structs.replace(config, input_units=units)
        except FormulaError as error:
            problems += [ConfigError(f"{where}.formula: {each}", hint=f"Use {LANGUAGE}") for each in error.problems]
        except ConfigError as error:  # the name of a channel can mean several parameters
            problems.append(ConfigError(f"{where}.formula: {error.message}", hint=error.hint))
        yield Stated(where, config, formula)


def _name_problems(stated: Sequence[Stated], names: Sequence[str]) -> Iterator[ConfigError]:
    channels = [each.channel for each in stated]
    for channel in dict.fromkeys(channels):
        if channels.count(channel) > 1:
            yield ConfigError(f"duplicate derived channel {channel!r}", hint="Give each of them a unique name")
    for each in stated:
        if each.config.device in names:
            yield ConfigError(
                f"{each.where}.device: {each.config.device!r} is a device of the rig",
                hint="Choose another name: raw and derived channels are recorded under different devices",
            )


def _input_problems(
    each: Stated,
    name: str,
    names: Sequence[str],
    specs: Mapping[str, DeviceSpec],
    derived: set[str],
    channels: Callable[[str], tuple[str, ...]],
) -> Iterator[ConfigError]:
    """Yield what is wrong with a channel in a formula. What only the instrument knows is not checked."""
    device = name.partition(".")[0]
    if name in derived or (device in names and device not in specs):
        return
    of_derived = [other for other in derived if other.partition(".")[0] == device]
    available = [*(channels(device) if device in specs else ()), *of_derived]
    if device in specs and not available:
        return
    if name not in available:
        others = {*names, *(each.partition(".")[0] for each in derived)}
        close = get_close_matches(name, available, 1)
        close = close or [each + name.removeprefix(device) for each in get_close_matches(device, others - {device}, 1)]
        everything = available or sorted(others)
        more = ", …" if len(everything) > MOST_SHOWN else ""
        hint = f"Did you mean {close[0]!r}?" if close else f"Available: {', '.join(everything[:MOST_SHOWN])}{more}"
        yield ConfigError(f"{each.where}.formula: unknown channel {name!r}", hint=hint)


def _unit_problems(each: Stated) -> Iterator[ConfigError]:
    for name in each.config.input_units:
        inputs = each.formula.inputs if each.formula is not None else (name,)
        if name not in inputs:
            hint = f"Channels of the formula: {', '.join(inputs)}"
            yield ConfigError(f"{each.where}.input_units: {name!r} is not in the formula", hint=hint)


def _needs(each: Stated, stated: Sequence[Stated]) -> set[str]:
    others = {other.channel for other in stated}
    return set() if each.formula is None else others & {*each.formula.inputs}


def _pace(spec: DeviceSpec, rate_hz: float) -> Pace:
    return Pace(1 / (spec.config.rate_hz or rate_hz), device_paced(spec))


def _made(
    stated: Sequence[Stated], order: Sequence[str], paces: Mapping[str, Pace], problems: list[ConfigError]
) -> tuple[Derived, ...]:
    by_channel, made = {each.channel: each for each in stated}, dict[str, Derived]()
    for channel in order:
        each = by_channel[channel]
        assert each.formula is not None, "a mistake otherwise"
        inputs: dict[str, Pace] = {}
        for name in each.formula.inputs:
            other = made.get(name)
            inputs[name] = (
                paces[name.partition(".")[0]] if other is None else Pace(other.period_s, device_paced=not other.leads)
            )
        fastest = min((pace.period_s for pace in inputs.values() if not pace.device_paced), default=0.0)
        made[channel] = Derived(
            name=each.config.name,
            device=each.config.device,
            unit=each.config.unit,
            formula=each.formula,
            leads=tuple(name for name, pace in inputs.items() if not pace.device_paced and pace.period_s == fastest),
            periods={name: pace.period_s for name, pace in inputs.items()},
            input_units=each.config.input_units,
        )
        problems += _window_problems(each.where, each.formula, inputs)
    return tuple(made.values())


def _window_problems(where: str, formula: Formula, inputs: Mapping[str, Pace]) -> Iterator[ConfigError]:
    for use in formula.windows:
        pace = inputs[use.channel]
        if pace.device_paced:
            continue
        if use.seconds < 2 * pace.period_s * (1 - 1e-9):
            yield ConfigError(
                f"{where}.formula: {use.seconds:g} s of {use.channel} are shorter than two of its periods",
                hint=f"Use {2 * pace.period_s:g} s or more",
            )
        if use.seconds / pace.period_s > MOST_ROWS:
            yield ConfigError(
                f"{where}.formula: {use.seconds:g} s of {use.channel} have more than {MOST_ROWS} rows",
                hint=f"Use {MOST_ROWS * pace.period_s:g} s or less",
            )
