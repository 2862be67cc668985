"""``riglog modbus …``: commands for registers whose layout is not known."""

import click


@click.group("modbus", short_help="Words in registers and what they can mean.")
def modbus() -> None:
    """Modbus instruments: decode words."""


@modbus.command("decode", short_help="Print every meaning of one, two or four words.")
@click.argument("words", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def decode(words: tuple[str, ...], as_json: bool) -> None:
    """Print what WORDS (hexadecimal digits) can be, in every type and every order of words and bytes."""
    from riglog.cli.output import print_json, print_table
    from riglog_modbus.decode import meanings, parse_words, text_of

    given = parse_words(" ".join(words))
    found = list(meanings(given))
    if as_json:
        print_json([{"type": kind, "order": order, "number": number} for kind, order, number in found])
    else:
        print_table(("type", "order", "number"), [*found, ("text", "abcd", text_of(given))])
