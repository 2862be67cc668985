"""Writing a parameter: check everything that can be checked before, send once, read back.

Source: Watlow wire specification, sections 12.2 and 12.3.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

from riglog.device import Safety, label_or_number
from riglog.errors import ReplyTimeoutError, WriteRefusedError
from riglog.model import ParameterWrite, Sample
from riglog.model.units import DEG_C
from riglog_watlow.channel_read import ChannelRead
from riglog_watlow.errors import ReadbackMismatchError
from riglog_watlow.families import Facts
from riglog_watlow.parameters import WireValue, WriteClass, parse_value, registry
from riglog_watlow.reader import Reader
from riglog_watlow.samples import UnitContext, from_wire, kind_of, to_wire, unit_of
from riglog_watlow.targets import Target

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
"""Once written, the controller responds at other settings only: riglog_watlow.maintenance follows it there."""


def require_writable(target: Target, confirm_change: Callable[[Safety, str], None]) -> None:
    """Refuse a write that is not possible or not confirmed. Sends nothing.

    Args:
        confirm_change: raises unless it is confirmed; gets its tier, and what it is.

    Raises:
        WriteRefusedError: read-only, or to be changed by ``move_link`` only.
        ConfirmationError: it changes the controller, and is not confirmed.
    """
    parameter = target.parameter
    if not parameter.writable:
        raise WriteRefusedError(f"{target} is read-only", parameter=str(target))
    if parameter.name in LINK_PARAMETERS:
        raise WriteRefusedError(
            f"{target} cannot be written directly: the controller would no longer respond at its present settings",
            hint="Use `riglog watlow configure`, or riglog_watlow.move_link()",
        )
    memory = " (EEPROM, rated for about 1,000,000 writes)" if parameter.storage.startswith("eeprom") else ""
    confirm_change(TIERS[parameter.write_class], f"writing {target}{memory}")


async def write(
    reader: Reader,
    read: ChannelRead,
    facts: Facts,
    value: float | int | str,
    *,
    writing: Callable[[str, ParameterWrite], AbstractContextManager[Callable[[float | str | None], None]]],
) -> Sample | None:
    """Write a value in the unit in which it is read, and read it back. ``require_writable`` comes before.

    A value that is stored already is not written again: that would only wear out the memory.

    Args:
        reader: of the line, which must be held.
        read: the channel of the parameter.
        writing: the block in which the controller may have been changed; see ``Device.writing``.

    Returns:
        The value read back; None if the parameter has no readback.

    Raises:
        WriteRefusedError: an invalid value; nothing was changed.
        ReadbackMismatchError: the controller reports another value than the one written.
        DeviceRefusedError: the controller refused it.
        ProtocolError: it is not known whether it was written, as reading it back failed too.
    """
    target, parameter = read.target, read.target.parameter
    given = parse_value(parameter, value)
    if not (isinstance(given, str) or read.companions or reader.protocol.settings_of(parameter)):
        _checked(reader, read, given)  # nothing needs to be read for that
    await reader.read_context(read)
    meant = reader.unit_context(read)
    wanted = given
    if not isinstance(given, str):
        wanted = _checked(reader, read, given)
        await _check_limits(reader, read, facts, float(wanted))
    no_readback = parameter.storage == "action" or not parameter.readable
    old: float | str | None = None
    if not no_readback:
        present = await reader.sample(read)
        if reader.unit_context(read) != meant:  # changed meanwhile, and nothing was written yet
            return await write(reader.again(), read, facts, value, writing=writing)
        if _is_stored(reader, target, wanted):
            return present
        old = label_or_number(present)
    unit = read.channel.unit
    change = ParameterWrite(
        parameter=target.parameter.name, instance=target.instance, old_value=old, new_value=value, unit=unit
    )
    with writing(f"{target} = {value} {unit}" if unit else f"{target} = {value}", change) as confirmed:
        await _send(reader, target, wanted, no_readback)
        sample = None if no_readback else await _proven(reader, read, wanted, meant)
        confirmed(None if sample is None else label_or_number(sample))
    return sample


async def _proven(reader: Reader, read: ChannelRead, wanted: WireValue, meant: UnitContext) -> Sample:
    """Read back what was written, and that its unit is still the one that was meant."""
    target = read.target
    after = reader.again()
    sample = await _read_back(after, read, wanted)
    await after.read_context(read)
    if after.unit_context(read) != meant:
        raise ReadbackMismatchError(
            f"{target}: a setting of the controller changed while it was written",
            hint="The value may have been stored in another unit. Read the parameter and compare",
            parameter=str(target),
        )
    return sample


async def _send(reader: Reader, target: Target, wanted: WireValue, no_readback: bool) -> None:
    """Send the write once. After a timeout it may have been executed: reading it back shows that."""
    protocol = reader.protocol
    try:
        confirmed = await protocol.write(reader.line, target, wanted)
    except ReplyTimeoutError as error:
        if no_readback:
            error.hint = "The command may have been executed. Check the controller before repeating it"
            raise
        return
    if confirmed is not None and protocol.encode(target, confirmed) != protocol.encode(target, wanted):
        raise ReadbackMismatchError(
            f"{target}: controller confirmed {confirmed} after writing {wanted}", parameter=str(target)
        )


async def _read_back(reader: Reader, read: ChannelRead, wanted: WireValue) -> Sample:
    target = read.target
    sample = await reader.sample(read)
    if target.parameter.storage == "volatile":  # it may run on by itself: clocks, remaining times
        return sample
    if not _is_stored(reader, target, wanted):
        raise ReadbackMismatchError(
            f"{target}: read back {reader.values[target].value} after writing {wanted}",
            hint="The controller limited or rejected the value, or it was changed at the panel; read its limits",
            parameter=str(target),
        )
    return sample


def _is_stored(reader: Reader, target: Target, wanted: WireValue) -> bool:
    """Return whether the value just read is the wanted one."""
    encode = reader.protocol.encode
    return encode(target, reader.values[target].value) == encode(target, wanted)


def _checked(reader: Reader, read: ChannelRead, given: float) -> float:
    """Return the number to transmit.

    Raises:
        WriteRefusedError: out of range, or its unit is unknown.
    """
    parameter = read.target.parameter
    if parameter.unit_kind == "enumeration":
        return given
    labels, context = reader.companion_labels(read), reader.unit_context(read)
    if parameter.is_temperature and context.wire.temperature_unit is None:
        raise WriteRefusedError(
            f"temperature unit of {read.target} is unknown", hint="Behind a gateway set wire_temperature_unit"
        )
    wanted = to_wire(parameter, given, labels, context)
    if parameter.range is not None:
        low, high = parameter.range.bounds(celsius=context.wire_unit == DEG_C)
        if not low <= wanted <= high:
            shown, lowest, highest = _published(reader, read, wanted, low, high)
            raise WriteRefusedError(
                f"{shown} is outside the range {lowest} to {highest} of {read.target}", parameter=str(read.target)
            )
    return wanted


async def _check_limits(reader: Reader, read: ChannelRead, facts: Facts, wanted: float) -> None:
    """Read the two parameters that limit this one, and compare before conversion.

    Raises:
        WriteRefusedError: outside the limits.
    """
    target = read.target
    names = facts.limits.get(target.parameter.name)
    if names is None:
        return
    table = registry(facts.family)
    limits = [Target(table.find(name), target.instance) for name in names]
    low, high = [float((await reader.protocol.read_one(reader.line, limit)).value) for limit in limits]
    if not low <= wanted <= high:
        shown, lowest, highest = _published(reader, read, wanted, low, high)
        raise WriteRefusedError(
            f"{shown} is outside the limits {lowest} to {highest} set in the controller",
            hint=f"Check {names[0]} and {names[1]}",
            parameter=str(target),
        )


def _published(reader: Reader, read: ChannelRead, *numbers: float) -> list[str]:
    """Return transmitted numbers as texts, in the unit that is published."""
    parameter, labels, context = read.target.parameter, reader.companion_labels(read), reader.unit_context(read)
    unit = unit_of(parameter, kind_of(parameter, labels), labels, context)
    suffix = f" {unit}" if unit else ""
    return [f"{from_wire(parameter, number, labels, context):g}{suffix}" for number in numbers]
