"""``riglog explain``: how a stored value came of the bytes on the line."""

from collections.abc import Iterator, Mapping

import click
from msgspec import to_builtins

from riglog.cli.console import format_value, print_json, print_warning
from riglog.cli.errors import DONE
from riglog.cli.options import json_option
from riglog.cli.output import print_facts
from riglog.rig.explaining import Explained, ExplainedFrame, explain_row


@click.command("explain", short_help="Show how a stored value came of the bytes on the line.")
@click.argument("file", type=click.Path(readable=False))
@click.argument("row")
@json_option
def command(file: str, row: str, as_json: bool) -> int:
    """Show the request and the reply of which a row of the SQLite recording FILE came, and what is in them.

    ROW is DEVICE.PARAMETER@TIME: the channel, and the time of receipt as `riglog tail` and exports have it; or
    DEVICE.PARAMETER@last. No port is opened.
    """
    found = explain_row(file, row)
    if as_json:
        print_json(to_builtins(found))
        return DONE
    print_facts(*_groups(found))
    if found.problem is not None:
        print_warning(f"{file}: the bytes cannot be explained: {found.problem}")
    return DONE


def _groups(found: Explained) -> Iterator[Mapping[str, object]]:
    row = found.row
    value = format_value(row.value, row.text) if row.value is not None else (row.text or "-")
    yield {
        "row": f"{row.device}.{row.parameter}[{row.instance}] at {row.received_at}",
        "value": f"{value} {row.unit or ''}".rstrip(),
        "status": " ".join((row.status, row.flags)).rstrip(),
        **({"error": row.error} if row.error else {}),
    }
    if found.formula is not None:
        yield {"computed by": found.formula}
        return
    yield {
        "driver": f"{row.driver} {found.version or ''}".rstrip(),
        "port": found.port,
        **found.options,
    }
    if not found.transactions:
        yield {"bytes": "none: nothing was sent or received for this row"}
    for each in found.transactions:
        latency = {} if each.latency_s is None else {"latency": f"{each.latency_s * 1000:.3f} ms"}
        yield {
            "sent": each.sent or "nothing: it came without a request",
            **_frame(each.request),
            "received": each.received or "nothing",
            **latency,
            **({"outcome": each.outcome} if each.outcome else {}),
        }
        for frame in each.frames:
            yield {"bytes": frame.bytes, **_frame(frame)}
        mine = each.values.get(f"{row.parameter}[{row.instance}]")
        if mine is not None:
            yield {"value in this frame": mine}


def _frame(frame: ExplainedFrame | None) -> dict[str, object]:
    return {} if frame is None else {frame.kind: frame.text, **frame.fields}
