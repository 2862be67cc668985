"""Weights, status and temperatures of the simulated xBPI balance. Source: sections 3.6 to 3.10."""

from fractions import Fraction

from riglog_sartorius.simulation.balance import SimulatedBalance
from riglog_sartorius.simulation.replying import (
    BAD_INDEX,
    UNKNOWN,
    Command,
    Refusal,
    TimedReply,
    more_digits,
    u8_arguments,
)
from riglog_sartorius.simulation.scale import Shown
from riglog_sartorius.units import CONFIRMED
from riglog_sartorius.xbpi.items import U8, U16, Item
from riglog_sartorius.xbpi.numbers import OFF_SCALE, encode_float40
from riglog_sartorius.xbpi.opcodes import COMBINED

UNIT_IDS = {unit: number for number, unit in CONFIRMED.items()}
NET, GROSS, TARE = 0x05, 0x03, 0x08
SLOTS = 3
UNSET_SLOT = [Item(U8, b"\xff"), Item(0x48, bytes(8))]


def readings(balance: SimulatedBalance) -> dict[int, Command]:
    """The reading commands, by opcode."""
    scale = balance.scale
    return {
        0x1E: lambda args, now: net(balance, args, now),
        0x1F: lambda args, now: [weight(scale.net(now, more_digits(args)), NET)],
        0x20: lambda args, now: [weight(scale.gross(now), GROSS)],
        0x21: lambda args, now: [weight(scale.gross(now, more_digits(args)), GROSS)],
        0x22: lambda args, now: [weight(scale.tare_value(now), TARE)],
        0x23: lambda args, now: [weight(scale.tare_value(now, more_digits(args)), TARE)],
        0x2E: lambda args, now: slot(args),
        0x2F: lambda args, now: [Item(0x12, bar_graph(balance, now).to_bytes(2))],
        0x30: lambda args, now: [status(balance, now)],
        0x31: lambda args, now: [Item(U16, status(balance, now).data[1:3])],
        0x32: lambda args, now: [Item(U16, status(balance, now).data[3:5])],
        0x33: lambda args, now: [Item(U16, status(balance, now).data[5:7])],
        0x35: lambda args, now: [Item(U8, status(balance, now).data[7:])],
        0x76: lambda args, now: [temperature(balance, args)],
    }


def net(balance: SimulatedBalance, args: bytes, now: float) -> TimedReply:
    if args == COMBINED:
        return [weight(balance.scale.net(now), NET), status(balance, now)]
    more = u8_arguments(args, 1)[0] if args else 0
    return [weight(balance.scale.net(now, more), NET)]


def weight(shown: Shown, whose: int) -> Item:
    sign = 0 if not shown.value else 0x40 if shown.value > 0 else 0x80
    value = OFF_SCALE if shown.value is None else encode_float40(shown.value)
    return Item(
        0x48, value + bytes([shown.decimals << 4, sign | UNIT_IDS[shown.unit], whose | (0x40 if shown.stable else 0)])
    )


def status(balance: SimulatedBalance, now: float) -> Item:
    """Only families that set bit 7 of the state say more than stable."""
    shown = balance.scale.net(now)
    if balance.family.tells_load_state:
        state = 0x82 if shown.overload else 0x84 if shown.underload else 0x88 if shown.stable else 0x80
        code = 0x18 if balance.isocal_due else 0x08
    else:
        state, code = (0x08, 0x20) if shown.stable else (0x00, 0x00)
    tick = int(now * balance.family.ticks_per_second) & 0xFF
    return Item(0x48, bytes([0x00, 0x00, 0x81, state, code, 0x10, 0x00, tick]))


def bar_graph(balance: SimulatedBalance, now: float) -> int:
    return max(0, int(1000 * balance.scale.physical(now) / balance.family.capacity))


def slot(args: bytes) -> TimedReply:
    if u8_arguments(args, 1)[0] >= SLOTS:
        raise Refusal(BAD_INDEX)
    return UNSET_SLOT


def temperature(balance: SimulatedBalance, args: bytes) -> Item:
    (sensor,) = u8_arguments(args, 1)
    fitted = balance.family.temperatures
    if sensor >= len(fitted):
        raise Refusal(UNKNOWN)
    value = fitted[sensor]
    return Item(0x35, OFF_SCALE if value is None else encode_float40(Fraction(value)))
