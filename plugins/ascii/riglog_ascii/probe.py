"""A dialogue with an unknown instrument, to write its file: requests as a person types them, and the replies."""

import re
from collections.abc import Mapping
from typing import Any

from riglog.errors import ConfirmationError, ProtocolError
from riglog.instrument import Dialogue
from riglog_ascii.lines.codec import AsciiClient, AsciiRequest
from riglog_ascii.templates import parse

ENDS = {"CR": "\r", "LF": "\n", "CRLF": "\r\n"}
ANY_LINE = parse("{line:text}")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


async def draft(client: AsciiClient, options: Mapping[str, Any], dialogue: Dialogue) -> str:
    """Return an instrument file for the requests that a person tries.

    Raises:
        ConfirmationError: a request may change the instrument, and that is not confirmed.
    """
    if not options.get("confirm"):
        raise ConfirmationError(
            "requests are sent as they are typed, and one may change the instrument",
            hint="Type only queries, and repeat the command with --confirm",
        )
    title = dialogue.ask("make and model", "ASCII instrument")
    end = ENDS.get(dialogue.ask("end of a request: CR, LF or CRLF", "CRLF").upper(), "\r\n")
    reply_end = ENDS.get(dialogue.ask("end of a reply: CR, LF or CRLF", "CRLF").upper(), "\r\n")
    blocks: list[str] = []
    while text := dialogue.ask("request, such as *IDN?; empty to end"):
        request = AsciiRequest(
            (text + end).encode("latin-1", "replace"), (ANY_LINE,), reply_end.encode(), repeatable=False
        )
        try:
            reply = (await client.transact(request, timeout=2.0)).reply
        except ProtocolError as error:
            dialogue.show(("request", "reply"), [(text, f"– {error.message}")])
            continue
        dialogue.show(("request", "reply"), [(text, reply.line)])
        blocks += _block(text, reply.line, len(blocks), dialogue)
    head = ["format = 1", 'driver = "ascii"', f"title = {quoted(title)}", "", "[line]"]
    head += [f"baudrate = {client.connection.link.baudrate}", f"terminator = {quoted(end)}"]
    head += [f"reply_terminator = {quoted(reply_end)}"] if reply_end != end else []
    return "\n".join([*head, *blocks, ""])


def _block(request: str, line: str, number: int, dialogue: Dialogue) -> list[str]:
    """Return the lines of a read: every number of the reply that a person names is a field."""
    names: list[str] = []
    template, at = "", 0
    for found in _NUMBER.finditer(line):
        name = dialogue.ask(f"name of {found[0]!r}, such as temperature; empty to ignore it")
        template += escaped(line[at : found.start()]) + (f"{{{name}:number}}" if name else "{_:number}")
        names += [name] if name else []
        at = found.end()
    template += escaped(line[at:])
    if not names:
        return []
    lines = ["", f"[read.read_{number}]", f"request = {quoted(escaped(request))}", f"replies = [{quoted(template)}]"]
    lines += [f"# reply: {printable(line)}", f"[read.read_{number}.channel]"]
    for name in names:
        unit = dialogue.ask(f"unit of {name}; empty if it has none")
        lines.append(f"{name} = {{ {f'unit = {quoted(unit)}' if unit else ''} }}")
    return lines


def escaped(text: str) -> str:
    """Return a text as a template has it."""
    return text.replace("{", "{{").replace("}", "}}")


def printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "." for sign in text)


def quoted(text: str) -> str:
    """Return a text as a TOML string."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
    return f'"{printable(plain)}"'
