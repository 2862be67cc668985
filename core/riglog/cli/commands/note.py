"""``riglog note``: the operator's words, written into a recording or listed."""

from pathlib import Path

import click

from riglog.cli.console import add_row, messages, plain, print_json, results, table
from riglog.cli.local_time import format_local
from riglog.cli.options import json_option, reason_option
from riglog.errors import ConfigError
from riglog.recordings import Delivery, read_notes, write_note
from riglog.sinks.part_names import newest_part, parts


@click.command("note", short_help="Write a note into a recording, or list its notes.")
@click.argument("file", type=click.Path(readable=False))
@click.argument("text", required=False)
@click.option("--at", help="The time that the note is about: ISO 8601, UTC if it has no time zone. Default: now.")
@click.option("--author", help="Who writes it. Default: the user of the operating system.")
@click.option("--device", help="The device that it is about.")
@reason_option
@json_option
def command(
    file: str,
    text: str | None,
    at: str | None,
    author: str | None,
    device: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Write the note TEXT into the SQLite recording FILE, also while it is recorded; without TEXT, list them.

    A note is never changed or removed. The first file of a rotation stands for all of them.
    """
    if text is None:
        if at or author or device or reason:
            raise ConfigError(
                "--at, --author, --device and --reason need the text of a note", hint="Add the text, in quotes"
            )
        _list(file, as_json)
        return
    delivery = write_note(file, text, program="riglog note", at=at, author=author, device=device, reason=reason)
    target = plain(str(newest_part(Path(file))))
    if as_json:
        print_json({"state": delivery.value})
    elif delivery is Delivery.STORED:
        messages().print(f"[dim]note stored in {target}[/]", soft_wrap=True)
    else:
        messages().print(
            f"[dim]note waits in {target}.inbox; the recorder stores it with its next flush[/]", soft_wrap=True
        )


def _list(file: str, as_json: bool) -> None:
    path = Path(file)
    found = [note for part in parts(path) or [path] for note in read_notes(part)]
    if as_json:
        print_json(found)
        return
    if not found:
        messages().print(f"[dim]no note; write one: riglog note {plain(file)} TEXT[/]", soft_wrap=True)
        return
    reasons = any(each.reason for each in found)
    notes = table("time", "author", "device", "note", *(["reason"] if reasons else []))
    for each in found:
        why = [each.reason or ""] if reasons else []
        add_row(notes, format_local(each.at), each.author or "", each.device or "", each.text, *why)
    results().print(notes)
