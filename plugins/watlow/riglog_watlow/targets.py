"""What a poll reads: parameters and instances, bound once, before the first byte. Pure."""

import re
from collections.abc import Iterator

from msgspec import Struct

from riglog.errors import ConfigError
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.parameters import Parameter, Registry

ONE = re.compile(r"(?P<name>[^\[\]]+)\[(?P<instance>\d+)\]")


class Target(Struct, frozen=True, cache_hash=True):
    """One value somewhere in a controller."""

    parameter: Parameter
    instance: int = 1

    def __str__(self) -> str:
        return f"{self.parameter.name}[{self.instance}]" if self.instance != 1 else self.parameter.name


def target(text: str, registry: Registry) -> Target:
    """``setpoint`` or ``setpoint[2]`` or ``7001[2]``.

    Raises:
        ConfigError: no such parameter, or no such instance of it.
    """
    one = ONE.fullmatch(text)
    parameter = registry.find(one["name"] if one else text)
    return checked(Target(parameter, int(one["instance"]) if one else 1))


def checked(target: Target) -> Target:
    """The target, if the largest unit of its family has that instance.

    Raises:
        ConfigError: no unit has it.
    """
    instances = target.parameter.instances
    if target.instance not in instances:
        there = f"{instances[0]} to {instances[-1]}" if len(instances) > 1 else "only 1"
        raise ConfigError(
            f"parameter {target.parameter.name} has no instance {target.instance}", hint=f"it has {there}"
        )
    return target


def unreachable(target: Target, protocol: str) -> str | None:
    """Why a protocol cannot carry a parameter; None if it can."""
    parameter = target.parameter
    if protocol == STDBUS:
        return None if parameter.tag is not None else f"parameter {target} is not on Standard Bus"
    if parameter.map1 is None and parameter.map2 is None:
        return f"parameter {target} has no Modbus register"
    if parameter.data_type in ("pointer", "mirror"):
        return f"parameter {target} has the type of whatever it points at"
    return None


def targets(config: WatlowConfig, registry: Registry) -> list[Target]:
    """Parameters x instances, in the order of the configuration.

    Raises:
        ConfigError: unknown parameter, write-only, not on this wire, twice, or an instance it cannot have.
    """
    if not config.parameters:
        raise ConfigError("there are no parameters to read", hint="leave `parameters` out for the usual ones")
    found = [one for text in config.parameters for one in _named(text, config.instances, registry)]
    for one in found:
        if not one.parameter.readable:
            raise ConfigError(f"parameter {one} can only be written")
        if (why := unreachable(one, config.wire_protocol)) is not None:
            raise ConfigError(why)
        if found.count(one) > 1:
            raise ConfigError(f"parameter {one} is listed twice")
    return found


def _named(text: str, instances: tuple[int, ...], registry: Registry) -> Iterator[Target]:
    if ONE.fullmatch(text):
        yield target(text, registry)
        return
    parameter = registry.find(text)
    usable = [instance for instance in instances if instance in parameter.instances]
    yield from (checked(Target(parameter, instance)) for instance in usable or instances[:1])
