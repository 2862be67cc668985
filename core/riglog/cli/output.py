"""What commands of plugins print: tables, facts and JSON on stdout, safe for texts from instruments and files."""

from collections.abc import Iterable, Mapping

from riglog.cli.console import add_row, print_json, results, table

__all__ = ["print_facts", "print_json", "print_table"]


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table. In a pipe or a file no row is folded."""
    made = table(*columns)
    for row in rows:
        add_row(made, *row)
    results().print(made)


def print_facts(*groups: Mapping[str, object]) -> None:
    """Print names and values in two columns, with an empty line between groups."""
    from rich.table import Table

    made = Table(show_header=False, box=None)
    for number, facts in enumerate(groups):
        if number:
            made.add_row()
        for name, fact in facts.items():
            add_row(made, name, fact)
    results().print(made)
