"""The text of a new rig file: what will be recorded, with comments that say what can be changed."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from msgspec import Struct

from riglog.cli.console import channel_name, messages, plain
from riglog.cli.planned import Planned
from riglog.cli.screen import printable
from riglog.config import RigConfig, parse_rig
from riglog.errors import ConfigError
from riglog.sinks.files import create

WIDTH = 100


class NewRun(Struct, frozen=True):
    """The table ``[run]``; ``duration``: None is until Ctrl-C."""

    name: str
    rate_hz: float = 1.0
    duration: str | None = None


def refuse_existing(path: str) -> None:
    """Refuse the path of a new rig file if there is anything, also a link that leads nowhere.

    Raises:
        ConfigError: there is.
    """
    if os.path.lexists(path):
        raise ConfigError("file exists and was not overwritten", hint="Choose another file name", file=path)


def run_name(path: str) -> str:
    """Return the name of a run for a rig file: its own, with only the characters that a run can have."""
    stem = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_.-") else "-" for sign in Path(path).stem)
    return stem.lstrip("_.-")[:64] or "run"


def create_rig_file(path: str, text: str) -> None:
    """Write the text of a rig file into a new file.

    Raises:
        ConfigError: it cannot be written, or there is a file already.
    """
    try:
        with create(Path(path)) as file:
            file.write(text.encode())
    except OSError as error:
        hint = "Choose another path"
        raise ConfigError(f"cannot write the rig file: {error.strerror}", hint=hint, file=path) from None


def write_rig_file(path: str, run: NewRun, devices: Sequence[Planned]) -> RigConfig:
    """Write a new rig file, after its text was checked as ``riglog check`` does it; return what it describes.

    Raises:
        ExceptionGroup: the mistakes of the file; it was not written.
        ConfigError: it cannot be written, or there is a file already.
    """
    text = rig_text(path, run, devices)
    checked = parse_rig(text, Path(path))
    refuse_existing(path)
    create_rig_file(path, text)
    name = plain(path)
    messages().print(f"[dim]rig file written: {name}[/]", soft_wrap=True)
    messages().print(f"[dim]Next: riglog check {name} --live, then riglog record {name}[/]", soft_wrap=True)
    return checked


def rig_text(path: str, run: NewRun, devices: Sequence[Planned]) -> str:
    """Return the text of a rig file."""
    lines = [
        "# What riglog records. `riglog schema` writes a schema with which editors explain every key.",
        f"#   riglog check {printable(path)} --live    reads every device once",
        f"#   riglog record {printable(path)}          records until Ctrl-C",
        "",
        "[run]",
        _line("name", run.name, "first part of the identifier of every run"),
        _line("rate_hz", run.rate_hz, "polls per second of a device without a rate_hz of its own"),
        _line("duration", run.duration, "without it: until Ctrl-C")
        if run.duration
        else '# duration = "8h"  # without it: until Ctrl-C',
        "",
        "[[sink]]",
        _line("type", "sqlite", "csv, jsonl and parquet can be added, each as a further [[sink]]"),
        _line("path", f"{run.name}.sqlite", "an existing recording is continued, never overwritten"),
    ]
    for device in devices:
        lines += ["", *_device(device)]
    return "\n".join(lines) + "\n"


def _device(device: Planned) -> Iterator[str]:
    if device.identity:
        yield f"# {printable(device.identity)}"
    channels = ", ".join(channel_name(channel) for channel in device.channels)
    if channels:
        yield from wrap(printable(f"channels: {channels}"), WIDTH, initial_indent="# ", subsequent_indent="#   ")
    yield "[[device]]"
    for key, value in device.table.items():
        yield _line(key, value, "the first part of the names of its channels" if key == "name" else None)
    if "parameters" not in device.table and device.parameters:
        yield _line("parameters", list(device.parameters), None)
    if "rate_hz" not in device.table:
        yield "# rate_hz = 1.0  # if it differs from that of the run"


def _line(key: str, value: Any, comment: str | None) -> str:
    return f"{key} = {toml(value)}" + (f"  # {comment}" if comment else "")


def toml(value: Any) -> str:
    """Return a text, number, flag or list of those as TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
