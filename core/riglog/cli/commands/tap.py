"""``riglog tap``: listens on a line, shows every frame, and records what is proven."""

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import click
import msgspec

from riglog.cli.console import channel_name, format_value, messages, print_warning, results
from riglog.cli.errors import DONE, STORAGE
from riglog.cli.local_time import format_local
from riglog.cli.options import device_options, device_spec, sqlite_name
from riglog.cli.screen import STDOUT, json_printable, printable
from riglog.cli.signals import Interruption, run
from riglog.model import iso

if TYPE_CHECKING:
    from riglog.acquire import SinkResult
    from riglog.device.tap import Tapped
    from riglog.manager.tap_source import TapSource
    from riglog.model import Event

TIME_OF_DAY = slice(11, 23)


@click.command("tap", short_help="Show the frames on a line, and record their values.")
@device_options
@click.option("--duration", metavar="S", help="Time to listen, such as 90 or 10m. Default: until Ctrl-C.")
@click.option(
    "-o", "--out", type=click.Path(readable=False), callback=sqlite_name, help="SQLite file to record the values into."
)
@click.option("--hex", "as_hex", is_flag=True, help="Print the bytes of each frame, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each frame.")
def command(**arguments: Any) -> int:
    """Listen on a port and print the frames of another master and of the instruments. Nothing is ever sent.

    A value is recorded only if the request to which it is the reply was seen intact directly before it.
    """
    return run(lambda interruption: _tap(interruption, **arguments))


async def _tap(
    interruption: Interruption,
    driver: str,
    port: str | None,
    protocol: str | None,
    address: str | None,
    options: tuple[str, ...],
    duration: str | None,
    out: str | None,
    as_hex: bool,
    as_json: bool,
) -> int:
    from riglog.config import seconds
    from riglog.manager.tap_source import TapSource

    length = None if duration is None else seconds(duration, "--duration")
    source = TapSource(device_spec(driver, port, protocol, address, options))
    printer = _Printer(as_hex, as_json)
    source.on_frame = printer.add
    source.subscribe(_print_event)
    await source.open()
    where = "" if out is None else f", into {printable(out)}"
    messages().print(f"listening on {port}{where}; nothing is sent; Ctrl-C ends it", markup=False, soft_wrap=True)
    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(source.run)
        if out is not None:
            stored = await _record(source, out, length, interruption)
            lost = source.dropped + sum(result.lost for result in stored)
            if lost:
                print_warning(f"{lost} samples were not stored")
                return STORAGE
            return DONE
        stopped = anyio.Event()
        interruption.stop = stopped.set
        with anyio.move_on_after(length):
            await stopped.wait()
    return DONE


async def _record(
    source: "TapSource", out: str, length: float | None, interruption: Interruption
) -> "list[SinkResult]":
    from riglog.acquire import record
    from riglog.model import SYSTEM_CLOCK, new_run
    from riglog.rig.piping import pipe

    async with record(source, rate_hz=1.0, duration=length) as active_run:
        interruption.stop = active_run.stop

        results_of_sinks = await pipe(active_run, out, run=new_run("tap", SYSTEM_CLOCK, rate_hz=1.0))
    rows = active_run.summary.samples_emitted
    messages().print(
        f"{rows} rows of {len(source.channels)} channels in {printable(out)}", markup=False, soft_wrap=True
    )
    return results_of_sinks


class _Printer:
    """Prints frames, one line each: when, what it is, the address, the content."""

    def __init__(self, as_hex: bool, as_json: bool) -> None:
        self._as_hex = as_hex
        self._as_json = as_json

    def add(self, tapped: "Tapped") -> None:
        if self._as_json:
            STDOUT.write(json_printable(msgspec.json.encode(_as_json(tapped)).decode()) + "\n")
            return
        frame = tapped.frame
        at = format_local(iso(tapped.stamp.received_ns), milliseconds=True)[TIME_OF_DAY]
        address = "" if frame.address is None else str(frame.address)
        lead = f"{at} {frame.kind.value:11} {address:>3} "
        latency = "" if tapped.stamp.latency_ns is None else f"  ({tapped.stamp.latency_ns / 1e6:.0f} ms)"
        _print_line(f"{lead} {frame.text}{latency}".rstrip())
        indent = " " * len(lead)
        if self._as_hex or frame.kind.value == "damaged":
            _print_line(f"{indent} {frame.raw.hex(' ')}")
        for sample in tapped.samples:
            value = f"{format_value(sample.value, sample.text)} {sample.unit or ''}".rstrip()
            status = "" if sample.status.value == "ok" else f" ({sample.status.value})"
            _print_line(f"{indent} = {sample.device}.{channel_name(sample.channel)} {value}{status}")
        if tapped.why_not is not None:
            _print_line(f"{indent} not recorded: {tapped.why_not}")


def _as_json(tapped: "Tapped") -> dict[str, object]:
    from riglog.sinks.rows import as_json_object, row

    frame = tapped.frame
    return {
        "at": iso(tapped.stamp.received_ns),
        "kind": frame.kind.value,
        "address": frame.address,
        "text": frame.text,
        "bytes": frame.raw.hex(),
        "latency_s": tapped.stamp.latency_s,
        "samples": [as_json_object(row(None, None, sample)) for sample in tapped.samples],
        "not_recorded": tapped.why_not,
    }


def _print_event(event: "Event") -> None:
    print_warning(f"{event.port}: {event.message}")


def _print_line(text: str) -> None:
    results().print(printable(text), markup=False, soft_wrap=True, highlight=False)
