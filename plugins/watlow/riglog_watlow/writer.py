"""Changes a parameter: refused here if it can be, sent once, read back.

Source: Watlow wire specification, sections 12.2 and 12.3.
"""

import math
from collections.abc import Callable

from riglog.device import Safety, require_confirmation
from riglog.errors import ReplyTimeoutError, WriteRefusedError
from riglog.model import Sample
from riglog.model.units import DEG_C
from riglog_watlow.errors import StoredOtherwiseError
from riglog_watlow.meaning import Terms, to_wire
from riglog_watlow.parameters import Parameter, WireValue, WriteClass
from riglog_watlow.plan import Target
from riglog_watlow.reader import Entry, Found, Reader

TIERS: dict[WriteClass, Safety] = {
    "volatile": Safety.STATEFUL,
    "action": Safety.STATEFUL,
    "persistent": Safety.PERSISTENT,
    "safety": Safety.PERSISTENT,
    "communication": Safety.DANGEROUS,
    "configuration_set": Safety.DANGEROUS,
}

LINK_PARAMETERS = frozenset(
    {"standard_bus_address", "modbus_address", "modbus_baud_rate", "modbus_parity", "comm_protocol"}
)
"""Once written, the controller answers elsewhere: only riglog_watlow.maintenance can see that through."""


def require_writable(target: Target, confirm: bool) -> None:
    """Refuse what cannot be written so, or was not confirmed. Sends nothing.

    Raises:
        WriteRefusedError: read-only, or a matter for maintenance.
        ConfirmationError: it changes the controller, and nobody said so.
    """
    parameter = target.parameter
    if not parameter.writable:
        raise WriteRefusedError(f"{target} is read-only", parameter=str(target))
    if parameter.name in LINK_PARAMETERS:
        hint = "use riglog_watlow.move_link"
        raise WriteRefusedError(f"after writing {target} the controller answers elsewhere", hint=hint)
    worn = " in EEPROM, good for about 1,000,000 writes," if parameter.storage.startswith("eeprom") else ""
    what = f"writing {target}{worn}"
    require_confirmation(TIERS[parameter.write_class], what.rstrip(","), confirm, parameter=str(target))


def coded(parameter: Parameter, value: float | int | str, *, finite: bool = True) -> WireValue:
    """A value as somebody gives it: a number, a code, or the label of a code in any case.

    Args:
        finite: NaN and infinity are no values.

    Raises:
        WriteRefusedError: no such value.
    """
    if parameter.data_type == "string":
        return str(value)
    if isinstance(value, str):
        codes = [code for code, label in parameter.enum.items() if label.lower() == value.lower()]
        if codes:
            return codes[0]
        value = _number(parameter, value)
    if parameter.enum and value not in parameter.enum:
        raise _no_value(parameter, value)
    floating = parameter.data_type == "float32"
    if not math.isfinite(value) and (finite or not floating):
        raise _no_value(parameter, value)
    if floating or parameter.scale != 1 or parameter.decimals_register is not None:
        return float(value)
    if value != int(value):
        raise _no_value(parameter, value)
    return int(value)


async def write(
    reader: Reader, target: Target, value: float | int | str, *, confirm: bool, wrote: Callable[[str], None]
) -> Sample | None:
    """Write one parameter, given in the unit that reading it publishes, and read it back.

    What is stored already is not written again: it would only wear the memory. None for what cannot be read back.

    Args:
        wrote: told as soon as something may have been changed.

    Raises:
        WriteRefusedError: read-only, not confirmed, or no such value; nothing was changed.
        StoredOtherwiseError: the controller holds another value now.
        DeviceRefusedError: the controller did not take it.
        ProtocolError: nobody knows whether it was taken; reading back failed too.
    """
    require_writable(target, confirm)
    parameter = target.parameter
    entry, found = reader.entry(target), Found()
    given = coded(parameter, value)
    await reader.fetch(entry, (*entry.companions, *entry.conditions), found, retries=1)
    wanted = given if isinstance(given, str) else _checked(reader, entry, found, given)
    await _check_limits(reader, target, wanted)
    momentary = parameter.storage == "action" or not parameter.readable
    if not momentary:
        now = await reader.sample(entry, found, retries=1)
        if reader.access.encoded(target, found[target].value) == reader.access.encoded(target, wanted):
            return now
    wrote(f"{target} = {value}" + (f" {entry.channel.unit}" if entry.channel.unit else ""))
    await _send(reader, target, wanted, momentary)
    return None if momentary else await _read_back(reader, entry, wanted)


async def _send(reader: Reader, target: Target, wanted: WireValue, momentary: bool) -> None:
    """Never twice: after a timeout it may have been taken, and reading back will tell."""
    access = reader.access
    try:
        stored = await access.write(target, wanted)
    except ReplyTimeoutError as error:
        if momentary:
            error.hint = "it may have been done or not; look before doing it again"
            raise
        return
    if stored is not None and access.encoded(target, stored) != access.encoded(target, wanted):
        raise StoredOtherwiseError(f"{target} was answered with {stored}, not {wanted}", parameter=str(target))


async def _read_back(reader: Reader, entry: Entry, wanted: WireValue) -> Sample:
    target, found = entry.target, Found()
    sample = await reader.sample(entry, found, retries=1)
    if target.parameter.storage == "volatile":  # it may run on by itself: clocks, remaining times
        return sample
    if reader.access.encoded(target, found[target].value) != reader.access.encoded(target, wanted):
        raise StoredOtherwiseError(
            f"{target} holds {found[target].value}, not {wanted}",
            hint="clamped, refused or changed at the panel; read its limits",
            parameter=str(target),
        )
    return sample


def _checked(reader: Reader, entry: Entry, found: Found, given: float) -> WireValue:
    """The number for the wire.

    Raises:
        WriteRefusedError: out of range, or in a unit nobody knows.
    """
    parameter, terms = entry.target.parameter, reader.terms(entry, found)
    if parameter.unit_kind == "enumeration":
        return given
    if parameter.is_temperature and terms.wire.temperature_unit is None:
        hint = "behind a gateway set wire_temperature_unit"
        raise WriteRefusedError(f"nobody knows in which unit {entry.target} is", hint=hint)
    wanted = to_wire(parameter, given, reader.beside(entry, found), terms)
    low, high = _bounds(parameter, terms)
    if not low <= wanted <= high:
        raise WriteRefusedError(f"{given:g} is outside of {low:g} to {high:g}", parameter=str(entry.target))
    return wanted


async def _check_limits(reader: Reader, target: Target, wanted: WireValue) -> None:
    """The set point has to lie between two other parameters; they are read first, in the unit of the wire."""
    names = reader.facts.limits.get(target.parameter.name)
    if names is None or isinstance(wanted, str):
        return
    limits = [Target(reader.registry.find(name), target.instance) for name in names]
    found: Found = {}
    for limit in limits:
        await reader.access.fetch(limit, found, (limit,), retries=1)
    low, high = (float(found[limit].value) for limit in limits)
    if not low <= wanted <= high:
        raise WriteRefusedError(
            f"{wanted:g} is outside of the controller's own limits {low:g} to {high:g}",
            hint=f"see {names[0]} and {names[1]}; numbers are those of the wire",
            parameter=str(target),
        )


def _bounds(parameter: Parameter, terms: Terms) -> tuple[float, float]:
    if parameter.range is None:
        return -math.inf, math.inf
    return parameter.range.bounds(celsius=terms.wire_unit == DEG_C)


def _number(parameter: Parameter, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _no_value(parameter, text) from None


def _no_value(parameter: Parameter, value: object) -> WriteRefusedError:
    words = ", ".join(f"{label!r}" for label in parameter.enum.values())
    return WriteRefusedError(f"{value!r} is no value of {parameter.name}", hint=words or "give a number")
