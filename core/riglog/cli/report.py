"""The result of a recording, as tables or as JSON."""

from typing import Any

from riglog.cli.console import (
    add_row,
    channel_name,
    format_age,
    format_value,
    plural,
    print_json,
    print_warning,
    results,
    table,
)
from riglog.cli.errors import DONE, INCOMPLETE, STORAGE, explain
from riglog.cli.freshness import age_of
from riglog.cli.live_table import NO_VALUE
from riglog.cli.screen import STDOUT, printable
from riglog.model import NS, iso
from riglog.rig import Outcome

MEANING = (
    "utilisation: share of the time in which the port was occupied; p50, p99: 50 % and 99 % of the polls were not above"
    " this value; start delay: how late a poll started; polled, skipped: slots"
)


def report(outcome: Outcome, *, as_json: bool, max_gap: float | None = None) -> int:
    """Print the outcome; return the exit code."""
    if as_json:
        print_json(as_object(outcome))
    else:
        _print_tables(outcome)
    if (lost := STDOUT.take_error()) is not None:
        print_warning(f"the summary was not printed: {lost}")
    for sink in outcome.sinks:
        if sink.warning is not None:
            print_warning(f"sink {sink.name}: {sink.warning}")
    if outcome.storage_error is not None:
        explain(outcome.storage_error)
        return STORAGE
    if not outcome.summary.samples:
        print_warning(
            f"nothing was recorded: the recording ended before the first slot; run {outcome.run.id} has no new row"
        )
        return INCOMPLETE
    for device, reason in outcome.absent.items():
        print_warning(f"{device}: absent until the end: {reason}")
    without_value = outcome.devices_without_value
    for device in without_value:
        print_warning(f"{device}: not one value was received")
    longest = outcome.longest_gap
    if max_gap is not None and longest.seconds > max_gap:
        print_warning(f"{longest.channel}: longest gap {longest.seconds:.3g} s exceeds --max-gap {max_gap:g} s")
        return INCOMPLETE
    return INCOMPLETE if outcome.absent or without_value else DONE


def print_next_steps(path: str, *more: str) -> None:
    """Print the commands that show what was recorded into a file."""
    lines = [f"riglog info {printable(path)}", f"riglog gaps {printable(path)}", *more]
    results().print("\nLook at the recording:\n  " + "\n  ".join(lines), markup=False, soft_wrap=True)
    STDOUT.take_error()  # a screen that accepts nothing is no error of a recording; `report` has warned of it


def as_object(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome as ``record --json`` prints it. Durations in seconds, times in ISO 8601 UTC."""
    summary, end = outcome.summary, outcome.finished_monotonic_ns
    longest = outcome.longest_gap
    return {
        "run": outcome.run.id,
        "started_at": iso(summary.started_ns),
        "finished_at": None if summary.finished_ns is None else iso(summary.finished_ns),
        "slots_polled": summary.slots_polled,
        "slots_skipped": summary.slots_skipped,
        "samples": summary.samples,
        "samples_missing_or_skipped": summary.samples_missing_or_skipped,
        "samples_dropped": summary.samples_dropped,
        "port_losses": summary.port_losses,
        "absent": outcome.absent,
        "longest_gap_s": longest.seconds,
        "longest_gap_channel": None if longest.channel is None else str(longest.channel),
        "sources": [source.as_dict() for source in summary.sources.values()],
        "channels": [
            {
                "device": channel.device,
                "parameter": channel.parameter,
                "instance": channel.instance,
                "rows": seen.rows,
                "rows_without_value": seen.rows_without_value,
                "last_value": seen.last_value,
                "last_value_age_s": age_of(seen, end),
                "text": seen.text,
                "unit": seen.unit,
                "longest_gap_s": seen.gap_until(end),
            }
            for channel, seen in summary.channels.items()
        ],
        "sinks": [
            {
                "name": sink.name,
                "written": sink.written,
                "lost": sink.lost,
                "set_aside": sink.set_aside,
                "error": None if sink.error is None else str(sink.error),
                "warning": sink.warning,
                "head": sink.head,
            }
            for sink in outcome.sinks
        ],
    }


def _print_tables(outcome: Outcome) -> None:
    summary = outcome.summary
    channels = table("device", "parameter", "rows", "no value", "last value", "unit", "age", title=outcome.run.id)
    for channel, seen in summary.channels.items():
        name, last_value, seconds = channel_name(channel), NO_VALUE, age_of(seen, outcome.finished_monotonic_ns)
        if seconds is not None:
            last_value = format_value(seen.last_value, seen.text)
        shown_age = "" if seconds is None else format_age(seconds)
        counts = seen.rows, seen.rows_without_value
        add_row(channels, channel.device, name, *counts, last_value, seen.unit or "", shown_age)
    ports = table("port", "devices", "rate", "polled", "skipped", "utilisation")
    times = table("port", "rate", "poll time p50", "poll time p99", "start delay p99")
    seconds = ((summary.finished_ns or summary.started_ns) - summary.started_ns) / NS
    for source in summary.sources.values():
        busy = f"{source.busy_s / seconds:.0%}" if source.rate_hz is not None and seconds else "-"
        rate = "device-paced" if source.rate_hz is None else f"{source.rate_hz:g} Hz"
        port = source.name.removesuffix(f" at {rate}")  # the rate has its own column
        devices = ", ".join(outcome.devices.get(source.name, ()))
        add_row(ports, port, devices, rate, source.slots_polled, source.slots_skipped, busy)
        if source.rate_hz is not None:
            poll_time, delay = source.poll_time, source.start_delay
            add_row(times, port, rate, _ms(poll_time.at(0.5)), _ms(poll_time.at(0.99)), _ms(delay.at(0.99)))
    results().print(channels)
    results().print()
    results().print(ports)
    if times.row_count:
        results().print()
        results().print(times)
    results().print(MEANING, style="dim")
    results().print()
    missing = f"{summary.samples_missing_or_skipped} missing or skipped"
    stored = "" if outcome.storage_error is None else "; not all rows were stored"
    results().print(f"{plural(summary.samples, 'row')} in {seconds:.1f} s, {missing}{stored}.", soft_wrap=True)
    for sink in outcome.sinks:
        if sink.head is not None:
            results().print(f"Head of the seals of sink {sink.name}: {sink.head}", style="dim", soft_wrap=True)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
