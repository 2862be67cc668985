"""Autocalibration by pulses on coils: 0 to 1 asks, and the coil must always come back to 0.

Source: Servomex wire specification, section 11.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from riglog.errors import ConfigError, ProtocolError, RiglogError
from riglog_servomex.errors import CoilLeftSetError, StartUnknownError

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusUnit

GROUPS = (1, 2, 3, 4)
STOP_COIL = 8
CLEARING_TRIES = 3


def coil_of(group: int) -> int:
    """The coil that asks for calibration of a group.

    Raises:
        ConfigError: there is no such group.
    """
    if isinstance(group, bool) or group not in GROUPS:
        raise ConfigError(f"there is no calibration group {group!r}", hint="groups are 1 to 4")
    return group - 1


async def pulse(unit: "ModbusUnit", coil: int, tell: Callable[[str], None]) -> None:
    """Put a coil to 1 and back to 0. The 1 is written once, whatever becomes of it; the 0 always.

    The 0 goes out even on a line that was not found clean: an older reply taken for its echo would be one to a 0, too.

    Args:
        tell: gets ``requested``, or ``requested, not confirmed``, as soon as the 1 was written.

    Raises:
        StartUnknownError: nobody confirmed the 1.
        CoilLeftSetError: nobody confirmed the 0.
        DeviceRefusedError: the analyser refused the 1.
    """
    async with unit.client.turn:
        if (await unit.read_coils(coil, count=1)).reply.bits[0]:
            await unit.write_coil(coil, False)
        try:
            await _set(unit, coil, tell)
        finally:
            with anyio.CancelScope(shield=True):
                await _clear(
                    unit.client.unit(unit.address, timeout=unit.timeout, least=unit.least, skip_resync=True), coil
                )


async def _set(unit: "ModbusUnit", coil: int, tell: Callable[[str], None]) -> None:
    try:
        await unit.write_coil(coil, True)
    except ProtocolError as error:
        tell("requested, not confirmed")
        hint = "look at calibration_status() before asking again: a second request would be queued"
        raise StartUnknownError("the request was not confirmed", hint=hint, coil=coil) from error
    except anyio.get_cancelled_exc_class():
        tell("requested, not confirmed")
        raise
    tell("requested")
    try:
        await unit.read_coils(coil, count=1)  # also the time at 1 that is known to be enough
    except RiglogError:
        return  # what counts is the edge, and that was confirmed


async def _clear(unit: "ModbusUnit", coil: int) -> None:
    for attempt in range(1, CLEARING_TRIES + 1):
        try:
            await unit.write_coil(coil, False)
            return
        except RiglogError as error:
            if attempt == CLEARING_TRIES:
                hint = f"write 0 to coil {coil}, or the next request for it does nothing"
                raise CoilLeftSetError("the request coil may still be set", hint=hint, coil=coil) from error
