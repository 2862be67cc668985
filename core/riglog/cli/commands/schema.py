"""``riglog schema``: the JSON schema of rig files, for editors."""

from pathlib import Path

import click
import msgspec

from riglog.cli.console import messages, plain, print_json
from riglog.errors import ConfigError, StorageError


@click.command("schema", short_help="Print the JSON schema of rig files, for editors.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), help="Write it to this new file.")
def command(out: str | None) -> None:
    """Print the JSON schema of rig files with the drivers and sinks that are installed.

    Editors complete and check a rig file with it: write it to rig.schema.json and put
    "#:schema ./rig.schema.json" into the first line of rig.toml.
    """
    from riglog.config.json_schema import rig_schema
    from riglog.plugin import installed

    schema = rig_schema(installed())
    if out is None:
        print_json(schema)
        return
    text = msgspec.json.format(msgspec.json.encode(schema), indent=2)
    try:
        with Path(out).open("xb") as file:
            file.write(text + b"\n")
    except FileExistsError:
        raise ConfigError("file exists and was not overwritten", hint="Choose another file name", file=out) from None
    except OSError as error:
        raise StorageError(
            f"cannot write the schema: {error.strerror}", hint="Choose another path", file=out
        ) from error
    messages().print(f"written: {plain(out)}", soft_wrap=True)
