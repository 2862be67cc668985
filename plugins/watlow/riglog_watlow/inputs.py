"""Which inputs of a controller do not measure a temperature, and which keep their errors. Pure.

The numbers of the former have a unit that only the user knows.
"""

from collections.abc import Iterable

from riglog_watlow.families import Facts
from riglog_watlow.parameters import registry
from riglog_watlow.samples import DEPENDS_ON, INPUT_ERROR, label_of
from riglog_watlow.targets import Settings, Target

BY_INPUT = {4, 7, 8}
"""Parameter classes of the EZ-ZONE whose instance is an input or its loop."""


def input_settings_of(target: Target, facts: Facts, instances: Iterable[int]) -> tuple[Target, ...]:
    """Return the settings that show whether a target is a temperature.

    A target that is not tied to one input is one only if all inputs measure a temperature.
    """
    if facts.process_signal is None or not target.parameter.is_temperature:
        return ()
    parameter = registry(facts.family).find(facts.process_signal[0])
    by_input = (target.parameter.id or 0) // 1000 in BY_INPUT
    numbers = {target.instance} if by_input else {1, *instances}
    return tuple(Target(parameter, instance) for instance in sorted(numbers & set(parameter.instances)))


def latch_setting_of(target: Target, facts: Facts, latched_check: float | None) -> tuple[Target, ...]:
    """Return the setting that keeps an input error until it is cleared, if a process value relies on it."""
    has_input = INPUT_ERROR in DEPENDS_ON.get(target.parameter.name, ())
    if facts.error_latch is None or latched_check is None or not has_input:
        return ()
    return (Target(registry(facts.family).find(facts.error_latch[0]), target.instance),)


def is_latched(setting: Target, settings: Settings, facts: Facts) -> bool:
    """Return whether an input error stays until it is cleared."""
    code = settings.get(setting)
    return (
        facts.error_latch is not None and code is not None and label_of(setting.parameter, code) == facts.error_latch[1]
    )


def is_process_signal(input_settings: Iterable[Target], settings: Settings, facts: Facts) -> bool | None:
    """Return whether one of the inputs does not measure a temperature; None if a setting is not valid.

    An input that the model does not have, or that was not read yet, says nothing.
    """
    labels = facts.process_signal[1] if facts.process_signal else frozenset()
    known = [(one.parameter, code) for one in input_settings if isinstance(code := settings.get(one), int)]
    if any(label_of(parameter, code) in labels for parameter, code in known):
        return True
    return None if any(code not in parameter.enum for parameter, code in known) else False
