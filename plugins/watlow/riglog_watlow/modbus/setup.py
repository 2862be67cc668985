"""Finding out, by reading, which controller is there and how its registers are laid out.

Source: Watlow wire specification, sections 9.4, 9.5 and 12.1.
"""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from riglog.errors import DeviceRefusedError, WrongInstrumentError
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import FamilyName

Read = Callable[[int, int], Awaitable[list[int]]]
"""Registers from a start, so many."""

F4P_MODEL = 5280
WORD_ORDER = {(28, 0): True, (19, 0): True, (0, 28): False, (0, 19): False}
"""The hardware id in registers 0 and 1 is 28 or 19: is its low word first?"""

CONTROL_MODES = {62, 10, 54}
HEAT_ALGORITHMS = {62, 71, 64}
LOOP = {1: (1880, 1884), 2: (2360, 2364)}
"""Where each register map has control mode and heat algorithm."""


class Setup(Struct, frozen=True):
    """How to read the registers of one controller."""

    register_map: int = 1
    low_word_first: bool = False


async def find_setup(config: WatlowConfig, read: Read) -> Setup:
    """Look at registers that tell the layouts apart; what the configuration says must not contradict.

    Raises:
        WrongInstrumentError: another kind of controller, or a layout that is not the configured one.
        ProtocolError: nobody answers.
    """
    if config.family == "pm":
        low_word_first = await _word_order(config, read)
        return Setup(await _register_map(config, read), low_word_first)
    words = await _tried(read, 0, 2)
    found = family_of(words)
    if found != (config.family if config.family == "f4p" else None):
        said = "nothing" if words is None else f"{words[0]}, {words[1]}"
        raise WrongInstrumentError(
            f"registers 0 and 1 say {said}, so this is no {config.facts.family}", hint="check `family` and `address`"
        )
    return Setup()


def family_of(words: list[int] | None) -> FamilyName | None:
    """What the first registers give away; a Series SD gives nothing away."""
    if words is None:
        return None
    return "f4p" if words[0] == F4P_MODEL else "pm" if (words[0], words[1]) in WORD_ORDER else None


async def _word_order(config: WatlowConfig, read: Read) -> bool:
    words = await _tried(read, 0, 2)
    found = WORD_ORDER.get((words[0], words[1])) if words else None
    told = None if config.word_order is None else config.word_order == "low-high"
    if found is not None and told is not None and found != told:
        raise WrongInstrumentError(f"the controller's word order is not {config.word_order}", hint="leave it out")
    if found is None and (told is None or family_of(words) == "f4p"):
        hint = "check `family`; behind a gateway set `word_order` and the zone's `register_offset`"
        raise WrongInstrumentError(f"registers 0 and 1 say {words or 'nothing'}, so this is no EZ-ZONE PM", hint=hint)
    return bool(told if found is None else found)


async def _register_map(config: WatlowConfig, read: Read) -> int:
    for number, (mode, algorithm) in LOOP.items():
        if await _one_of(read, mode, CONTROL_MODES) and await _one_of(read, algorithm, HEAT_ALGORITHMS):
            if config.register_map not in (None, number):
                raise WrongInstrumentError(f"the controller uses register map {number}", hint="leave register_map out")
            return number
    if config.register_map is None:
        raise WrongInstrumentError("neither register map fits this controller", hint="set register_map = 1 or 2")
    return config.register_map


async def _one_of(read: Read, register: int, codes: set[int]) -> bool:
    words = await _tried(read, register, 1)
    return words is not None and words[0] in codes


async def _tried(read: Read, start: int, count: int) -> list[int] | None:
    """The registers, or None where the controller has none."""
    try:
        return await read(start, count)
    except DeviceRefusedError:
        return None
