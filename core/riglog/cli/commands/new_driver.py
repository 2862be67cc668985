"""``riglog new-driver``: writes the package of a new driver, to be changed into that of an instrument."""

from pathlib import Path

import click

from riglog.cli.console import results
from riglog.cli.errors import DONE
from riglog.cli.new_driver import KINDS, check_name, write_package


@click.command("new-driver", short_help="Write the package of a new driver.")
@click.argument("name")
@click.option("--ascii", "kind", flag_value="ascii", help="Text lines on a port.")
@click.option("--binary", "kind", flag_value="binary", help="Frames with a checksum on a port.")
@click.option("--modbus", "kind", flag_value="modbus", help="Registers over Modbus RTU, ASCII or TCP.")
@click.option("--direct", "kind", flag_value="direct", help="A device without a port: a library, a card.")
@click.option(
    "-o",
    "--out",
    default=".",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write in.",
)
def command(name: str, kind: str | None, out: Path) -> int:
    """Write the package riglog-NAME: a driver, its simulator, and its tests.

    It installs, records its simulated instrument, and passes the conformance kit. Then change it, one file at a time.
    """
    from riglog.plugin import installed

    if kind is None:
        raise click.UsageError(f"one of {', '.join(f'--{one}' for one in KINDS)} is needed")
    check_name(name, frozenset(installed().drivers))
    for path in write_package(name, kind, out):
        results().print(str(path), markup=False, highlight=False, soft_wrap=True)
    folder = out / f"riglog-{name}"
    results().print(
        f"\nNext:\n  pip install -e '{folder}[test]'\n  riglog demo --driver {name}\n  pytest {folder}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return DONE
