"""Autocalibration by pulses on coils: the change from 0 to 1 is the request, and the coil must be cleared afterwards.

Source: Servomex wire specification, section 11.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from riglog.device.polling import LINE_BUSY
from riglog.errors import ConfigError, ConnectionLostError, ProtocolError, ReplyTimeoutError, RiglogError
from riglog_servomex.errors import CoilLeftSetError, StartUnknownError

if TYPE_CHECKING:  # it imports pymodbus
    from riglog.protocol.modbus.client import ModbusUnit

GROUPS = (1, 2, 3, 4)
STOP_COIL = 8
CLEARING_ATTEMPTS = 3


def coil_of(group: int) -> int:
    """Return the coil that requests calibration of a group.

    Raises:
        ConfigError: the group does not exist.
    """
    if isinstance(group, bool) or group not in GROUPS:
        raise ConfigError(f"invalid calibration group {group!r}", hint="Use 1 to 4")
    return group - 1


async def pulse(unit: "ModbusUnit", coil: int, report: Callable[[str], None]) -> None:
    """Set a coil and clear it again, while the line is held. The 1 is written once in any case, the 0 always.

    The 0 is sent without resynchronising the line: if an older reply is taken for its echo, that reply also confirmed
    a 0.

    Args:
        report: called with ``requested``, or ``requested, not confirmed``, as soon as the 1 was written or may have
            been; called once more if the 0 was not confirmed.

    Raises:
        StartUnknownError: the 1 was not confirmed.
        CoilLeftSetError: the 0 was not confirmed.
        DeviceRefusedError: the analyzer refused the 1.
    """
    async with unit.client.hold() as line:
        held = unit.on(line)
        if (await held.read_coils(coil, count=1)).reply.bits[0]:
            await held.write_coil(coil, False)
        try:
            await _set(held, coil, report)
        finally:
            with anyio.CancelScope(shield=True):
                await _clear(unit.on(line, skip_resync=True), coil, report)


async def _set(unit: "ModbusUnit", coil: int, report: Callable[[str], None]) -> None:
    try:
        await unit.write_coil(coil, True)
    except (ProtocolError, ConnectionLostError) as error:
        if isinstance(error, ReplyTimeoutError) and error.reason == LINE_BUSY:
            raise  # nothing was sent
        report("requested, not confirmed")
        hint = "Check calibration_status() before repeating: a second request would be queued"
        message = "request sent, but not confirmed by the analyzer"
        raise StartUnknownError(message, hint=hint, coil=coil) from error
    except anyio.get_cancelled_exc_class():
        report("requested, not confirmed")
        raise
    report("requested")
    try:
        await unit.read_coils(coil, count=1)  # it also keeps the coil set for a time that is known to be long enough
    except RiglogError:
        return  # the request is the change of the coil, and that was confirmed


async def _clear(unit: "ModbusUnit", coil: int, report: Callable[[str], None]) -> None:
    for attempt in range(1, CLEARING_ATTEMPTS + 1):
        try:
            await unit.write_coil(coil, False)
            return
        except RiglogError as error:
            if attempt == CLEARING_ATTEMPTS:
                report("(request coil may still be set)")
                hint = f"Write 0 to coil {coil}; until then the next request has no effect"
                raise CoilLeftSetError(f"request coil {coil} may still be set", hint=hint, coil=coil) from error
