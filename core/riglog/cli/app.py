"""``riglog``: one program with commands. The module of a command is imported when the command is used."""

import sys
from importlib import import_module

import click

from riglog.cli.console import STDOUT
from riglog.cli.errors import DONE, STORAGE, explain, print_error
from riglog.cli.screen import empty_buffers, occupy_closed_streams

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
    "salvage",
    "ports",
    "plugins",
)


class LazyGroup(click.Group):
    """The commands of riglog, then those of the plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_plugin_commands()
        return [*COMMANDS, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = import_module(f"riglog.cli.commands.{name}").command
            return command
        self._add_plugin_commands()
        return self.commands.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), 1)
            suggestion = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"unknown command {args[0]!r}.{suggestion}", ctx) from None

    def _add_plugin_commands(self) -> None:
        if not self.commands:
            from riglog.plugin import installed

            installed().add_commands(self)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="riglog")
def cli() -> None:
    """Record instruments of different vendors into one table.

    Exit codes: 0 success; 1 completed, but values are missing; 2 usage or configuration error; 3 port, protocol or
    device error; 4 storage error; 129/130/143 interrupted (SIGHUP/Ctrl-C/SIGTERM),
    data stored.
    """


def main() -> None:
    """Run the command line and exit."""
    occupy_closed_streams()
    try:
        code = cli.main(prog_name="riglog", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:
        code = explain(error)
    code = code if isinstance(code, int) else DONE
    if (lost := STDOUT.take_error()) is not None and code == DONE:
        print_error(f"cannot write to standard output: {lost}")
        code = STORAGE
    empty_buffers()
    sys.exit(code)
