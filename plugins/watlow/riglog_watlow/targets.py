"""One value in a controller: a parameter and its instance. Pure."""

import re

from msgspec import Struct

from riglog.device.proof_settings import KnownSettings
from riglog.errors import ConfigError
from riglog_watlow.parameters import Parameter, Registry, WireValue

WITH_INSTANCE = re.compile(r"(?P<name>[^\[\]]+)\[(?P<instance>\d+)\]")


class Target(Struct, frozen=True, cache_hash=True):
    """One value in a controller."""

    parameter: Parameter
    instance: int = 1

    def __str__(self) -> str:
        return f"{self.parameter.name}[{self.instance}]" if self.instance != 1 else self.parameter.name


Settings = KnownSettings[Target, WireValue | None]
"""The settings of a controller as they were read last; None: the model does not have it."""


def parse_target(text: str, registry: Registry) -> Target:
    """Return the target for ``setpoint``, ``setpoint[2]`` or ``7001[2]``.

    Raises:
        ConfigError: unknown parameter, or invalid instance.
    """
    match = WITH_INSTANCE.fullmatch(text)
    parameter = registry.find(match["name"] if match else text)
    return check_instance(Target(parameter, int(match["instance"]) if match else 1))


def check_instance(target: Target) -> Target:
    """Return the target, if the largest model of its family has that instance.

    Raises:
        ConfigError: no model has it.
    """
    instances = target.parameter.instances
    if target.instance not in instances:
        available = f"{instances[0]} to {instances[-1]}" if len(instances) > 1 else "only 1"
        raise ConfigError(
            f"invalid instance {target.instance} of parameter {target.parameter.name}", hint=f"Instances: {available}"
        )
    return target
