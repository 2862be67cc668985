"""``riglog``: one program, verb first. A command's file is imported when the command is used."""

import sys
from importlib import import_module

import click

from riglog.cli.errors import explain

COMMANDS = (
    "demo",
    "record",
    "check",
    "read",
    "set",
    "discover",
    "simulate",
    "gaps",
    "events",
    "export",
    "forward",
    "plugins",
)


class LazyGroup(click.Group):
    """riglog's own commands by name, then those that plugins add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_vendors()
        return [*COMMANDS, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = import_module(f"riglog.cli.commands.{name}").command
            return command
        self._add_vendors()
        return self.commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            if close := get_close_matches(args[0], self.list_commands(ctx), 1):
                raise click.UsageError(f"{error.message} Did you mean {close[0]!r}?", ctx) from None
            raise

    def _add_vendors(self) -> None:
        if not self.commands:
            from riglog.plugin import installed

            installed().add_commands(self)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="riglog")
def cli() -> None:
    """Record laboratory and plant rigs made of instruments from different vendors into one table.

    Exit codes: 0 done, 1 done but with gaps, 2 usage or configuration, 3 a port or device could not be opened,
    4 storage, 130/143 interrupted and closed cleanly.
    """


def main() -> None:
    """Run the command line and exit."""
    try:
        code = cli.main(prog_name="riglog", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = explain(error)
    sys.exit(code if isinstance(code, int) else 0)
