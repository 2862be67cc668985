"""Devices that a rig file will have: what each gives, shown before it is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec

from riglog.cli.console import add_row, channel_name, format_value, print_warning, results, table
from riglog.cli.steps import steps
from riglog.config.rig import with_files
from riglog.errors import RiglogError
from riglog.manager import DeviceSpec, Manager, resolve_device
from riglog.manager.declared import declared_channels
from riglog.model import Channel, Sample
from riglog.plugin import Registry

READ_SECONDS = 10.0
"""For one reading; an instrument that sends of its own accord can take longer, and its channels are known without."""


class Planned(msgspec.Struct):
    """A device of the rig file to come.

    Attributes:
        table: its ``[[device]]`` table.
        identity: what discovery found out about the instrument.
        channels: what will be recorded, as far as it is known.
        samples: the newest of each channel, by channel.
        error: why the instrument could not be read.
    """

    spec: DeviceSpec
    table: dict[str, Any]
    identity: str | None = None
    channels: tuple[Channel, ...] = ()
    samples: dict[Channel, Sample] = {}
    error: RiglogError | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that the driver polls unless the table names others; empty: all."""
        return self.spec.config.parameters


def plan(
    tables: Sequence[Mapping[str, Any]], identities: Sequence[str | None], rig: str | Path, *, strict: bool = True
) -> list[Planned]:
    """Return the devices of these tables. Nothing is opened.

    Args:
        rig: the path that the rig file will have: paths in it are relative to its folder.
        strict: False: values are texts of the command line, such as ``"9600"``; the table of the result has them
            converted.

    Raises:
        ConfigError: a table is not that of a device.
    """
    from riglog.plugin import installed

    registry = installed()
    devices = []
    for given, identity in zip(tables, identities, strict=True):
        whole = with_files(_lists(given, registry) if not strict else dict(given), registry, Path(rig).parent)
        spec = resolve_device(registry, whole, strict=strict)
        known = msgspec.to_builtins(spec.config)
        kept = {key: given[key] if key in spec.config.file_keys else known[key] for key in given}
        devices.append(Planned(spec, kept, identity, declared_channels(spec)))
    return devices


def _lists(table: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return a table in which the keys that take a list have one: their texts are separated by commas."""
    driver = registry.drivers.get(str(table.get("driver")))
    fields = msgspec.structs.fields(driver.config) if driver is not None else ()
    several = {field.name for field in fields if isinstance(field.default, tuple)}
    return {
        key: [part.strip() for part in str(value).split(",")] if key in several else value
        for key, value in table.items()
    }


async def read_planned(devices: Sequence[Planned]) -> None:
    """Read every device once: its channels, and their values now. Reads only; an error is kept in the device."""
    async with Manager() as manager:
        with steps("reading") as step:
            for number, device in enumerate(devices, 1):
                spec = device.spec
                step(f"reading {spec.name} on {spec.port_name or spec.protocol} ({number} of {len(devices)})")
                try:
                    opened = await manager.add_spec(spec, absent_ok=True)
                    device.error = manager.absent.get(spec.name)
                    device.channels = tuple(each for each in manager.channels if each.device == spec.name)
                    if device.error is None:
                        with anyio.move_on_after(READ_SECONDS):
                            device.samples = {sample.channel: sample for sample in await opened.poll()}
                except RiglogError as error:
                    device.error = error


def print_planned(devices: Sequence[Planned]) -> None:
    """Print what will be recorded, with the values of now; a warning for each device that could not be read."""
    listed = table("device", "channel", "value now", "unit")
    for device in devices:
        for channel in device.channels:
            sample = device.samples.get(channel)
            value = "-" if sample is None else format_value(sample.value, sample.text)
            if sample is not None and sample.value is None:
                value = f"- ({sample.status.value})"  # the reason is a status of its row
            unit = (sample.unit if sample is not None else None) or channel.unit or ""
            add_row(listed, channel.device, channel_name(channel), value, unit)
        if not device.channels:
            add_row(listed, device.spec.name, "those that the instrument has", "-", "")
    results().print(listed)
    for device in devices:
        if device.error is not None:
            print_warning(f"{device.spec.name}: cannot be read now: {device.error}")
