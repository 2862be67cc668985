"""``riglog check``: validates a rig file; with ``--live`` also reads every device once."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from riglog.cli.console import add_row, format_value, messages, plain, plural, print_json, print_warning, results, table
from riglog.cli.errors import DONE, explain
from riglog.cli.options import json_option
from riglog.cli.signals import Interruption, run
from riglog.cli.steps import steps
from riglog.errors import ConfigError, DeviceError, RiglogError
from riglog.model import Sample

if TYPE_CHECKING:
    from riglog.config import RigConfig


NOT_STATED = "not stated"


@click.command("check", short_help="Validate a rig file; with --live, also read every device.")
@click.argument("rig", type=click.Path(readable=False))
@click.option("--live", is_flag=True, help="Also open every device and read it once.")
@click.option(
    "--evidence",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --live and one device: write a transcript of a read-only session, without serial numbers.",
)
@click.option("--model", default=NOT_STATED, help="For --evidence: the model of the instrument.")
@click.option("--firmware", default=NOT_STATED, help="For --evidence: its firmware.")
@click.option("--adapter", default=NOT_STATED, help="For --evidence: the adapter between computer and instrument.")
@json_option
def command(rig: str, live: bool, evidence: Path | None, as_json: bool, **stated: str) -> int:
    """Validate the rig file RIG.

    No port is opened, unless --live is given: then every device is opened and read once.
    """
    if evidence is not None:
        if not live:
            raise click.UsageError("--evidence needs --live: it is a session with a real instrument")
        if evidence.exists():
            raise ConfigError(f"{evidence} exists already", hint="Choose another name for the transcript")
        return run(partial(_write_evidence, rig, evidence, stated))
    return run(partial(_check, rig, live, as_json))


async def _write_evidence(rig: str, path: Path, stated: dict[str, str], interruption: Interruption) -> int:
    """Write a transcript of the only device of a rig; an existing file is not replaced."""
    import msgspec

    from riglog.config import load_rig
    from riglog.testing.evidence import record_evidence

    specs = load_rig(rig).specs
    if len(specs) != 1:
        hint = "Use a rig file with only one device"
        raise ConfigError(f"--evidence: {rig} has {plural(len(specs), 'device')}; expected 1", hint=hint)
    dialogue = await record_evidence(specs[0], **stated)
    with path.open("xb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(dialogue), indent=1) + b"\n")
    readings = plural(len(dialogue.readings), "reading")
    results().print(f"{path}: {len(dialogue.exchanges)} requests, {readings}", markup=False, soft_wrap=True)
    return DONE


async def _check(path: str, live: bool, as_json: bool, interruption: Interruption) -> int:
    from riglog.cli.recording import warn_of_high_load, warn_of_unusual_baudrates
    from riglog.config import load_rig
    from riglog.manager.declared import device_paced

    rig = load_rig(path)
    warn_of_high_load(rig)
    warn_of_unusual_baudrates(rig)
    for sink in rig.sinks:
        await sink.check()
    devices: list[dict[str, Any]] = [
        {
            "device": spec.config.name,
            "driver": spec.driver.name,
            "port": spec.port_name,
            "protocol": spec.protocol,
            "address": spec.address,
            "rate_hz": None if device_paced(spec) else spec.config.rate_hz or rig.rate_hz,
        }
        for spec in rig.specs
    ]
    code = await _read_live(rig, devices) if live else DONE
    derived: list[dict[str, Any]] = [
        {
            "device": each.device,
            "driver": each.channel.driver,
            "port": None,
            "protocol": each.channel.protocol,
            "address": None,
            "rate_hz": 1 / each.period_s if each.leads else None,
            "parameter": each.name,
            "unit": each.unit,
            "formula": each.formula.text,
        }
        for each in rig.derived
    ]
    alarms: list[dict[str, Any]] = [
        {"alarm": each.name, "channels": each.channels, "condition": each.summary, "actions": each.actions}
        for each in rig.alarms
    ]
    certificates = _certificates(rig)
    if as_json:
        print_json([*devices, *derived, *alarms, *certificates])
    else:
        _print(devices)
        _print_derived(derived)
        _print_alarms(alarms)
        _print_certificates(certificates)
        _print_clock()
    _warn_of_certificates(rig)
    _print_conclusion(path, devices, live)
    return code


async def _read_live(rig: "RigConfig", devices: list[dict[str, Any]]) -> int:
    """Read every device once, into its entry. Every error is printed; return the exit code of the first."""
    from riglog.device import Pace
    from riglog.manager import Manager
    from riglog.rig.equipment import differences

    code = DONE
    async with Manager() as manager:
        for number, (spec, entry) in enumerate(zip(rig.specs, devices, strict=True), 1):
            place = f"{spec.name} on {spec.port_name or spec.protocol} ({number} of {len(devices)})"
            try:
                with steps("reading") as step:
                    step(f"reading {place}")
                    device = await manager.add_spec(spec)
                    samples = await device.poll()
                    _refuse_no_value(spec.name, samples)
            except RiglogError as error:
                failed = explain(error)
                code = code or failed
                entry["error"] = str(error)
            else:
                if (found := manager.identities.get(spec.name)) is not None:
                    for message in differences(rig.equipment, {spec.name: found}).values():
                        entry["difference"] = message
                        print_warning(f"{spec.name}: {message}")
                entry["rate_hz"] = entry["rate_hz"] if device.pace is Pace.HOST else None
                entry["values"] = {
                    str(sample.channel): f"{format_value(sample.value, sample.text)} {sample.unit or ''}".strip()
                    for sample in samples
                }
    return code


def _certificates(rig: "RigConfig") -> list[dict[str, Any]]:
    from riglog.rig.equipment import certificates

    return [
        {
            "equipment": each.device,
            "serial_number": each.serial_number,
            "certificate": one.number,
            "issued_on": one.issued_on,
            "valid_until": one.valid_until,
            "file": one.file,
            "sha256": None if one.sha256 is None else one.sha256.hex(),
            "channels": [f"{calibration.parameter}[{calibration.instance}]" for calibration in one.calibrations],
        }
        for each, one in certificates(rig.equipment)
    ]


def _warn_of_certificates(rig: "RigConfig") -> None:
    """Warn of certificates whose end has passed, or will soon."""
    from riglog.model import SYSTEM_CLOCK
    from riglog.rig.equipment import SOON_DAYS, certificates, overdue_message

    for each, one in certificates(rig.equipment):
        left = one.days_left(SYSTEM_CLOCK.utc_ns())
        if left is not None and left <= 0:
            print_warning(f"{each.device}: {overdue_message(one)}")
        elif left is not None and left <= SOON_DAYS:
            print_warning(f"{each.device}: certificate {one.number} is valid for {plural(left, 'more day')}")


def _refuse_no_value(device: str, samples: Sequence[Sample]) -> None:
    if samples and all(sample.value is None and sample.text is None for sample in samples):
        reason = samples[0].error or samples[0].status.value
        raise DeviceError(f"no parameter has a value: {reason}", device=device)


def _print_conclusion(path: str, devices: list[dict[str, Any]], live: bool) -> None:
    failed = sum("error" in entry for entry in devices)
    counted = plural(len(devices), "device")
    if failed:
        line = f"[red]failed:[/] {plain(path)}: {failed} of {counted} cannot be read"
    else:
        line = f"[green]ok:[/] {plain(path)}: {counted}{', all devices respond' if live else ''}"
    messages().print(line, soft_wrap=True)


def _print(devices: list[dict[str, Any]]) -> None:
    listed = table("device", "driver", "port", "protocol", "address", "rate")
    values = table("channel", "value")
    for entry in devices:
        address = "" if entry["address"] is None else entry["address"]
        rate = "device-paced" if entry["rate_hz"] is None else f"{entry['rate_hz']:g} Hz"
        add_row(listed, entry["device"], entry["driver"], entry["port"] or "", entry["protocol"], address, rate)
        for channel, value in entry.get("values", {}).items():
            add_row(values, channel, value)
    results().print(listed)
    if values.row_count:
        results().print()
        results().print(values)


def _print_derived(derived: list[dict[str, Any]]) -> None:
    listed = table("derived channel", "unit", "rate", "formula")
    for entry in derived:
        rate = "device-paced" if entry["rate_hz"] is None else f"{entry['rate_hz']:g} Hz"
        add_row(listed, f"{entry['device']}.{entry['parameter']}", entry["unit"] or "", rate, entry["formula"])
    if derived:
        results().print()
        results().print(listed)


def _print_clock() -> None:
    from riglog.timekeeping import clock_source

    results().print()
    results().print(f"Clock of this computer: {plain(str(clock_source().read()))}", soft_wrap=True)


def _print_certificates(certificates: list[dict[str, Any]]) -> None:
    listed = table("equipment", "serial number", "certificate", "valid until", "calibrated channels")
    for entry in certificates:
        end, channels = entry["valid_until"] or "-", ", ".join(entry["channels"]) or "-"
        add_row(listed, entry["equipment"], entry["serial_number"] or "-", entry["certificate"], end, channels)
    if certificates:
        results().print()
        results().print(listed)


def _print_alarms(alarms: list[dict[str, Any]]) -> None:
    listed = table("alarm", "channels", "raised by", "actions")
    for entry in alarms:
        add_row(
            listed, entry["alarm"], ", ".join(entry["channels"]), entry["condition"], ", ".join(entry["actions"]) or "-"
        )
    if alarms:
        results().print()
        results().print(listed)
