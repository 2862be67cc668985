"""What a poll reads: parameters and instances, bound once, before the first byte. Pure."""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from riglog.errors import ConfigError
from riglog.model import Channel
from riglog_watlow.config import WatlowConfig
from riglog_watlow.meaning import COMPANIONS, UNITS
from riglog_watlow.parameters import Parameter, Registry

ONE = re.compile(r"(?P<name>[^\[\]]+)\[(?P<instance>\d+)\]")


class Target(Struct, frozen=True):
    """One value somewhere in a controller."""

    parameter: Parameter
    instance: int

    def __str__(self) -> str:
        return f"{self.parameter.name}[{self.instance}]" if self.instance != 1 else self.parameter.name


class Entry(Struct, frozen=True):
    """One channel, what is read for it, and what has to be read after that for the number to mean anything."""

    channel: Channel
    target: Target
    companions: tuple[Target, ...] = ()


def targets(config: WatlowConfig, registry: Registry) -> list[Target]:
    """Parameters x instances, in the order of the configuration.

    Raises:
        ConfigError: unknown parameter, write-only, twice, or an instance it cannot have.
    """
    if not config.parameters:
        raise ConfigError(f"device {config.name!r} has no parameters to read")
    found = [target for text in config.parameters for target in _named(text, config.instances, registry)]
    for target in found:
        if not target.parameter.readable:
            raise ConfigError(f"parameter {target} can only be written")
        if found.count(target) > 1:
            raise ConfigError(f"parameter {target} is listed twice")
    return found


def entry(target: Target, channel: Channel, registry: Registry) -> Entry:
    names = (name for name in COMPANIONS.get(target.parameter.name, ()) if name in registry)
    return Entry(channel, target, tuple(Target(registry.find(name), target.instance) for name in names))


def channel(target: Target, config: WatlowConfig, protocol: str, unit: str | None) -> Channel:
    parameter = target.parameter
    return Channel(
        config.name,
        config.driver,
        protocol,
        config.address,
        parameter.name,
        parameter.id,
        target.instance,
        UNITS.get(parameter.unit_kind, unit if parameter.unit_kind in ("temperature", "temperature_delta") else None),
    )


def in_reading_order(entries: Iterable[Entry]) -> list[Entry]:
    """Those with companions first, so that a companion that is also a channel is read once, and after them."""
    return sorted(entries, key=lambda entry: not entry.companions)


def _named(text: str, instances: tuple[int, ...], registry: Registry) -> Iterator[Target]:
    one = ONE.fullmatch(text)
    parameter = registry.find(one["name"] if one else text)
    wanted = (int(one["instance"]),) if one else instances
    usable = [instance for instance in wanted if instance in parameter.instances]
    if not usable:
        there = f"{parameter.instances[0]} to {parameter.instances[-1]}" if len(parameter.instances) > 1 else "only 1"
        raise ConfigError(f"parameter {parameter.name} has no instance {wanted[0]}", hint=f"instances: {there}")
    for instance in usable:
        yield Target(parameter, instance)
