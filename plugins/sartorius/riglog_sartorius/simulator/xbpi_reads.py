"""Commands of the simulated xBPI balance that only read: weights, status, identity. Source: sections 3.4 to 3.10.

A command is a function of its argument bytes and the time; its reply is a list of items.
"""

from collections.abc import Callable
from fractions import Fraction

from riglog_sartorius.simulator.instrument import SimulatedBalance
from riglog_sartorius.simulator.scale import TO_GRAMS, Shown
from riglog_sartorius.units import CONFIRMED
from riglog_sartorius.xbpi.frames import ACK, U8, U16, U32, WEIGHT, Item, parse_items
from riglog_sartorius.xbpi.measurement import OFF_SCALE, encode_float40
from riglog_sartorius.xbpi.opcodes import COMBINED, Content

Command = Callable[[bytes, float], list[Item]]

OUT_OF_RANGE, UNKNOWN, NOT_NOW, BAD_ARGUMENTS, BAD_INDEX = 0x03, 0x04, 0x06, 0x07, 0x10
UNIT_IDS = {unit: number for number, unit in CONFIRMED.items()}
VERSION_TAIL = "00390139010001"
SLOTS = 3
UNSET_SLOT = [Item(U8, b"\xff"), Item(WEIGHT, bytes(8))]


class Refusal(Exception):  # noqa: N818 - a reply, not a failure
    """The balance replies with an error code."""

    def __init__(self, code: int) -> None:
        self.code = code


def u8_arguments(args: bytes, count: int) -> tuple[int, ...]:
    """Return the values of ``count`` items ``21 vv``; refuse any other arguments."""
    items, rest = parse_items(args)
    if rest or len(items) != count or any(item.type != U8 for item in items):
        raise Refusal(BAD_ARGUMENTS)
    return tuple(item.number for item in items)


def more_digits(args: bytes) -> int:
    """Return the argument of a high-resolution command."""
    (more,) = u8_arguments(args, 1)
    if more not in (1, 2):
        raise Refusal(OUT_OF_RANGE)
    return more


def constant(*items: Item) -> Command:
    """Return a command whose reply does not depend on its arguments."""
    return lambda args, now: list(items)


def weights(balance: SimulatedBalance) -> dict[str, Command]:
    """Return the commands that read weights, status and temperatures, by name."""
    scale = balance.scale

    def net(args: bytes, now: float) -> list[Item]:
        if args == COMBINED:
            return [weight(scale.net(now), Content.NET), status(balance, now)]
        more = u8_arguments(args, 1)[0] if args else 0
        return [weight(scale.net(now, more), Content.NET)]

    def slot(args: bytes, now: float) -> list[Item]:
        if u8_arguments(args, 1)[0] >= SLOTS:
            raise Refusal(BAD_INDEX)
        return UNSET_SLOT

    def bar_graph(args: bytes, now: float) -> list[Item]:
        return [Item(0x12, max(0, int(1000 * scale.physical(now) / balance.family.capacity)).to_bytes(2))]

    def temperature(args: bytes, now: float) -> list[Item]:
        (sensor,) = u8_arguments(args, 1)
        fitted = balance.family.temperatures
        if sensor >= len(fitted):
            raise Refusal(UNKNOWN)
        value = fitted[sensor]
        return [Item(0x35, OFF_SCALE if value is None else encode_float40(Fraction(value)))]

    return {
        "read_net": net,
        "read_net_hires": lambda args, now: [weight(scale.net(now, more_digits(args)), Content.NET)],
        "read_gross": lambda args, now: [weight(scale.gross(now), Content.GROSS)],
        "read_gross_hires": lambda args, now: [weight(scale.gross(now, more_digits(args)), Content.GROSS)],
        "read_tare_value": lambda args, now: [weight(scale.tare_value(now), Content.TARE)],
        "read_tare_value_hires": lambda args, now: [weight(scale.tare_value(now, more_digits(args)), Content.TARE)],
        "read_slot": slot,
        "read_bar_graph": bar_graph,
        "read_status_block": lambda args, now: [status(balance, now)],
        "read_register_31": lambda args, now: [Item(U16, status(balance, now).data[1:3])],
        "read_status_short": lambda args, now: [Item(U16, status(balance, now).data[3:5])],
        "read_register_33": lambda args, now: [Item(U16, status(balance, now).data[5:7])],
        "read_tick": lambda args, now: [Item(U8, status(balance, now).data[7:])],
        "read_temperature": temperature,
    }


def weight(shown: Shown, content: Content) -> Item:
    """Return a measurement item."""
    sign = 0 if not shown.value else 0x40 if shown.value > 0 else 0x80
    value = OFF_SCALE if shown.value is None else encode_float40(shown.value)
    flags = content.value | (0x40 if shown.stable else 0)
    return Item(WEIGHT, value + bytes([shown.decimals << 4, sign | UNIT_IDS[shown.unit], flags]))


def status(balance: SimulatedBalance, now: float) -> Item:
    """Return a status block; only families that set bit 7 of the state report more than stability."""
    shown = balance.scale.net(now)
    if balance.family.reports_load_state:
        state = 0x82 if shown.overload else 0x84 if shown.underload else 0x88 if shown.stable else 0x80
        code = 0x18 if balance.isocal_due else 0x08
    else:
        state, code = (0x08, 0x20) if shown.stable else (0x00, 0x00)
    tick = int(now * balance.family.ticks_per_second) & 0xFF
    return Item(WEIGHT, bytes([0x00, 0x00, 0x81, state, code, 0x10, 0x00, tick]))


def nameplate(balance: SimulatedBalance, node: Callable[[], int]) -> dict[str, Command]:
    """Return the commands that read identity, capacity and increments, by name."""
    family = balance.family
    version = Item(0x4A, bytes.fromhex(family.software + VERSION_TAIL))
    step = Fraction(1, 10**family.decimals)

    def grams(value: Fraction) -> Command:
        """In the unit of the display; the argument is the number of a weighing area."""

        def read(args: bytes, now: float) -> list[Item]:
            u8_arguments(args, 1)
            return [Item(0x35, encode_float40(value / Fraction(10) ** TO_GRAMS[balance.scale.unit]))]

        return read

    def configuration(args: bytes, now: float) -> list[Item]:
        shown = balance.scale.net(now)
        return [Item(WEIGHT, bytes([1, 1, 0, 0, 0, shown.decimals, UNIT_IDS[shown.unit], 1]))]

    def modules(args: bytes, now: float) -> list[Item]:
        if args:
            raise Refusal(BAD_ARGUMENTS)
        return [Item(ACK, b""), version, version]

    return {
        "read_software_version": constant(version),
        "read_factory_number": constant(Item(0x45, bytes.fromhex(family.serial))),
        "read_model": constant(Item(0x54, family.model.encode().ljust(20, b"\0"))),
        "read_user_id": constant(Item(WEIGHT, bytes(8))),
        "read_oem_text": constant(Item(0x50, bytes(16))),
        "read_manufacturer": constant(Item(0x50, b"Sartorius".ljust(16, b"\0"))),
        "read_configuration": configuration,
        "read_coarse_threshold": grams(100 * step),
        "read_max": grams(Fraction(family.capacity)),
        "read_increment": grams(step),
        "read_fine_threshold": grams(10 * step),
        "read_balance_info": constant(Item(U32, bytes.fromhex("02d801a4"))),
        "read_on_off": constant(Item(U8, b"\x01")),
        "read_cycle_time": constant(Item(U32, (50).to_bytes(4))),
        "read_sbn": lambda args, now: [Item(U8, bytes([node()]))],
        "read_modules": modules,
    }
