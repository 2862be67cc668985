"""Detecting, by reading, which controller is connected and how its registers are laid out.

Source: Watlow wire specification, sections 9.4, 9.5 and 12.1.
"""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from riglog.errors import DeviceRefusedError, WrongInstrumentError
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import FamilyName

ReadWords = Callable[[int, int], Awaitable[list[int]]]
"""Reads registers: start and count."""

F4P_MODEL = 5280
WORD_ORDER = {(28, 0): True, (19, 0): True, (0, 28): False, (0, 19): False}
"""Whether the low word is first, by registers 0 and 1: they contain the hardware id, which is 28 or 19."""

CONTROL_MODES = {62, 10, 54}
HEAT_ALGORITHMS = {62, 71, 64}
LOOP = {1: (1880, 1884), 2: (2360, 2364)}
"""The registers of control mode and heat algorithm in each register map."""


class Setup(Struct, frozen=True):
    """How to read the registers of one controller."""

    register_map: int = 1
    low_word_first: bool = False


async def read_setup(config: WatlowConfig, read: ReadWords) -> Setup:
    """Read registers that distinguish the layouts, and compare them with the configuration.

    Raises:
        WrongInstrumentError: another kind of controller, or a layout that is not the configured one.
        ProtocolError: no reply, or an invalid one.
    """
    if config.family == "pm":
        low_word_first = await _word_order(config, read)
        return Setup(await _register_map(config, read), low_word_first)
    words = await _words_if_present(read, 0, 2)
    if family_of(words) != (config.family if config.family == "f4p" else None):
        raise WrongInstrumentError(
            f"not a {config.facts.family}: registers 0 and 1 contain {_shown(words)}",
            hint="Check `family` and `address`",
        )
    return Setup()


def family_of(words: list[int] | None) -> FamilyName | None:
    """Return the family that the first two registers show; None for a Series SD, which they do not identify."""
    if words is None:
        return None
    return "f4p" if words[0] == F4P_MODEL else "pm" if (words[0], words[1]) in WORD_ORDER else None


async def _word_order(config: WatlowConfig, read: ReadWords) -> bool:
    words = await _words_if_present(read, 0, 2)
    detected = WORD_ORDER.get((words[0], words[1])) if words else None
    configured = None if config.word_order is None else config.word_order == "low-high"
    if detected is not None and configured is not None and detected != configured:
        raise WrongInstrumentError(
            f"word order of the controller is not {config.word_order}", hint="Remove `word_order`: it is detected"
        )
    if detected is None and (configured is None or family_of(words) == "f4p"):
        raise WrongInstrumentError(
            f"not an EZ-ZONE PM: registers 0 and 1 contain {_shown(words)}",
            hint="Check `family`. Behind a gateway set `word_order` and the `register_offset` of the zone",
        )
    return bool(configured if detected is None else detected)


async def _register_map(config: WatlowConfig, read: ReadWords) -> int:
    for number, (mode, algorithm) in LOOP.items():
        if await _contains(read, mode, CONTROL_MODES) and await _contains(read, algorithm, HEAT_ALGORITHMS):
            if config.register_map not in (None, number):
                raise WrongInstrumentError(
                    f"the controller uses register map {number}, not {config.register_map}",
                    hint="Remove `register_map`: it is detected",
                )
            return number
    if config.register_map is None:
        raise WrongInstrumentError("register map not recognised", hint="Set `register_map` to 1 or 2")
    return config.register_map


async def _contains(read: ReadWords, register: int, codes: set[int]) -> bool:
    words = await _words_if_present(read, register, 1)
    return words is not None and words[0] in codes


async def _words_if_present(read: ReadWords, start: int, count: int) -> list[int] | None:
    """Return the registers; None if the controller does not have them."""
    try:
        return await read(start, count)
    except DeviceRefusedError:
        return None


def _shown(words: list[int] | None) -> str:
    return "nothing" if words is None else f"{words[0]} and {words[1]}"
