"""What came of a recording, as tables or as JSON."""

from typing import Any

from rich.markup import escape

from riglog.cli.console import add, count, data, notes, parameter, print_json, shown, table
from riglog.cli.errors import DONE, GAPS, STORAGE, explain
from riglog.cli.recording import Outcome
from riglog.model import NS, iso


def report(outcome: Outcome, *, as_json: bool, max_gap: float | None = None) -> int:
    """Print the outcome; the exit code that goes with it."""
    if as_json:
        print_json(as_object(outcome))
    else:
        _print_tables(outcome)
    for sink in outcome.sinks:
        if sink.warning is not None:
            notes().print(f"[yellow]{sink.name}:[/] {escape(sink.warning)}", highlight=False, soft_wrap=True)
    if outcome.trouble is not None:
        explain(outcome.trouble)
        return STORAGE
    if max_gap is not None and outcome.longest_gap() > max_gap:
        notes().print(
            f"[yellow]gaps:[/] a channel was {outcome.longest_gap():.3g} s without a value, {max_gap:g} s allowed",
            soft_wrap=True,
        )
        return GAPS
    return DONE


def as_object(outcome: Outcome) -> dict[str, Any]:
    """The summary as ``record --json`` prints it. Durations in seconds, times in ISO 8601 UTC."""
    summary, end = outcome.summary, outcome.finished_monotonic_ns
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
        "longest_gap_s": outcome.longest_gap(),
        "sources": [source.as_dict() for source in summary.sources.values()],
        "channels": [
            {
                "device": channel.device,
                "parameter": channel.parameter,
                "instance": channel.instance,
                "rows": seen.rows,
                "rows_without_value": seen.rows_without_value,
                "last_value": seen.last_value,
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
                "error": None if sink.error is None else str(sink.error),
                "warning": sink.warning,
            }
            for sink in outcome.sinks
        ],
    }


def _print_tables(outcome: Outcome) -> None:
    summary = outcome.summary
    channels = table("device", "channel", "rows", "missing", "last value", "unit", title=outcome.run.id)
    for channel, seen in summary.channels.items():
        cells = [
            channel.device,
            parameter(channel),
            seen.rows,
            seen.rows_without_value,
            shown(seen.last_value, seen.text),
        ]
        add(channels, *cells, seen.unit or "")
    ports = table("port", "rate", "slots", "passed over", "busy", "poll p50", "poll p99", "late p99")
    seconds = ((summary.finished_ns or summary.started_ns) - summary.started_ns) / NS
    for source in summary.sources.values():
        busy = f"{source.busy_s / seconds:.0%}" if source.rate_hz is not None and seconds else "-"
        rate = "its own" if source.rate_hz is None else f"{source.rate_hz:g} Hz"
        times = [_ms(source.poll_time.at(0.5)), _ms(source.poll_time.at(0.99)), _ms(source.start_delay.at(0.99))]
        port = source.name.removesuffix(f" at {rate}")  # which stands in the next column
        add(ports, port, rate, source.slots_polled, source.slots_skipped, busy, *times)
    data().print(channels)
    data().print()
    data().print(ports)
    data().print()
    without = f"{summary.samples_missing_or_skipped} of them without a value"
    stored = "" if outcome.trouble is None else "; not all of them are stored"
    data().print(f"{count(summary.samples, 'row')} in {seconds:.1f} s, {without}{stored}.", soft_wrap=True)


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
