"""Channels that a rig file names, such as ``oven.process_value``, also by an alias of the parameter."""

from riglog.errors import ConfigError, did_you_mean, error_context
from riglog.manager import DeviceSpec
from riglog.plugin.guard import bugs_as


def recorded_channel(channel: str, spec: DeviceSpec, where: str) -> str:
    """Return a channel of a device with the name under which it is recorded.

    Args:
        where: what the place is called in errors: ``alarm 2.channel``.

    Raises:
        ConfigError: the device does not poll this parameter, or its name can mean several.
    """
    parameter, bracket, instance = channel.partition(".")[2].partition("[")
    with error_context(device=spec.name):
        name = _recorded_name(spec, parameter)
        polled = [_recorded_name(spec, text.partition("[")[0]) for text in spec.config.parameters]
        if name in polled or None in polled or not polled:
            return f"{spec.name}.{name or parameter}{bracket}{instance}"
        known = [each for each in polled if each is not None]
        hint = f"{did_you_mean(parameter, known)}It polls: {', '.join(known)}. Others can be added to its parameters"
        raise ConfigError(f"{where}: parameter {parameter!r} is not polled", hint=hint)


def named_as_recorded(channel: str, spec: DeviceSpec) -> str:
    """Return a channel of a device with the recorded name of its parameter, if the driver knows it.

    Raises:
        ConfigError: the name can mean several parameters.
    """
    parameter, bracket, instance = channel.partition(".")[2].partition("[")
    return f"{spec.name}.{_recorded_name(spec, parameter) or parameter}{bracket}{instance}"


def _recorded_name(spec: DeviceSpec, parameter: str) -> str | None:
    """Return the name under which a parameter is recorded; None if only the driver knows it."""
    with bugs_as(ConfigError, spec.driver, "canonical_name()"):
        name = spec.driver.canonical_name(spec.config, parameter)
    return name if name is not None or spec.driver.selects_parameters else parameter
