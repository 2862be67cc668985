"""What is written on the simulated xBPI balance: identity, capacity, increments. Source: section 3.10."""

from fractions import Fraction

from riglog_sartorius.simulation.balance import SimulatedBalance
from riglog_sartorius.simulation.readings import UNIT_IDS
from riglog_sartorius.simulation.replying import BAD_ARGUMENTS, Command, Refusal, TimedReply, constant, u8_arguments
from riglog_sartorius.simulation.scale import TO_GRAMS
from riglog_sartorius.xbpi.items import ACK, U8, U32, Item
from riglog_sartorius.xbpi.numbers import encode_float40

VERSION_TAIL = "00390139010001"


def nameplate(balance: SimulatedBalance, node: int) -> dict[int, Command]:
    """The identity and metrology commands, by opcode."""
    family = balance.family
    version = Item(0x4A, bytes.fromhex(family.software + VERSION_TAIL))
    step = Fraction(1, 10**family.decimals)

    def grams(value: Fraction) -> Command:
        """In the unit of the display; the argument names a weighing area."""

        def read(args: bytes, now: float) -> TimedReply:
            u8_arguments(args, 1)
            return [Item(0x35, encode_float40(value / Fraction(10) ** TO_GRAMS[balance.scale.unit]))]

        return read

    def configuration(args: bytes, now: float) -> TimedReply:
        shown = balance.scale.net(now)
        return [Item(0x48, bytes([1, 1, 0, 0, 0, shown.decimals, UNIT_IDS[shown.unit], 1]))]

    def modules(args: bytes, now: float) -> TimedReply:
        if args:
            raise Refusal(BAD_ARGUMENTS)
        return [Item(ACK, b""), version, version]

    return {
        0x00: constant(version),
        0x01: constant(Item(0x45, bytes.fromhex(family.serial))),
        0x02: constant(Item(0x54, family.model.encode().ljust(20, b"\0"))),
        0x03: constant(Item(0x48, bytes(8))),
        0x05: constant(Item(0x50, bytes(16))),
        0x07: constant(Item(0x50, b"Sartorius".ljust(16, b"\0"))),
        0x0A: configuration,
        0x0B: grams(100 * step),
        0x0C: grams(Fraction(family.capacity)),
        0x0D: grams(step),
        0x0E: grams(10 * step),
        0x0F: constant(Item(U32, bytes.fromhex("02d801a4"))),
        0x36: constant(Item(U8, b"\x01")),
        0x57: constant(Item(U32, (50).to_bytes(4))),
        0x71: constant(Item(U8, bytes([node]))),
        0xBC: modules,
    }
