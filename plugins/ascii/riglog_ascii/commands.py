"""``riglog ascii …``: commands for the lines of an instrument."""

import click


@click.group("ascii", short_help="Lines of text, and what they are in a file.")
def ascii_commands() -> None:
    """Instruments with an ASCII protocol: explain lines."""


@ascii_commands.command("decode", short_help="Print what a line is in an instrument file.")
@click.argument("file", type=click.Path(readable=False))
@click.argument("line")
@click.option("--address", default="0", show_default=True, help="Address of the instrument, as it stands in lines.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(file: str, line: str, address: str, as_json: bool) -> None:
    """Print the read and the fields of LINE in the instrument FILE. Nothing is printed if it matches no reply."""
    from riglog.cli.output import print_json, print_table
    from riglog_ascii.decode import explained
    from riglog_ascii.description import AsciiFormat

    found = list(explained(AsciiFormat().load(file), line, address))
    if as_json:
        print_json([{"read": read, "field": name, "text": text} for read, name, text in found])
    else:
        print_table(("read", "field", "text"), found)
