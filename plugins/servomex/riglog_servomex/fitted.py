"""Which channels an analyser has, and which of them to poll. Pure. Source: Servomex wire specification, section 10."""

from collections.abc import Mapping

from riglog_servomex.config import ServomexConfig
from riglog_servomex.errors import ChannelAbsentError
from riglog_servomex.positions import Kind, find_position
from riglog_servomex.reading import MODEL, Reading


def present(found: Mapping[str, Reading]) -> list[Reading]:
    """Empty positions answer too, but have no name; external inputs are always there, and seldom have one."""
    return [one for one in found.values() if is_input(one) or one.name is not None]


def chosen(config: ServomexConfig, found: Mapping[str, Reading]) -> list[Reading]:
    """What to poll: the channels the configuration names, or all that are present.

    Raises:
        ChannelAbsentError: one that is named is not there.
    """
    if not config.parameters:
        return [one for one in present(found) if config.external_inputs or not is_input(one)]
    wanted = dict.fromkeys(find_position(name).id for name in config.parameters)
    for one in wanted:
        if one not in found:
            raise ChannelAbsentError(f"the analyser has no channel {one}", hint=f"it has {', '.join(found)}")
    return [found[one] for one in wanted]


def identity_of(found: Mapping[str, Reading]) -> str:
    """An analyser has no serial number; the gas channels it is fitted with are all that tells it from another."""
    return " ".join([MODEL, *(one.position.id for one in present(found) if not is_input(one))])


def is_input(reading: Reading) -> bool:
    return reading.position.kind is Kind.EXTERNAL_INPUT
