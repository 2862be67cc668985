"""``riglog``: one program with commands. The module of a command is imported when the command is used."""

from importlib import import_module
from typing import TYPE_CHECKING

import click

from riglog.cli.errors import ABORTED, DONE, explain

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "demo": "Record simulated instruments of every installed plugin.",
    "init": "Write a rig file, by questions or by options.",
    "record": "Record a rig.",
    "check": "Validate a rig file; with --live, also read every device.",
    "read": "Read one device, once or repeatedly.",
    "set": "Change one parameter of one device.",
    "raw": "Send one frame and show what is received.",
    "tap": "Show the frames on a line, and record their values.",
    "discover": "Scan ports for instruments.",
    "simulate": "Simulate instruments on a port.",
    "info": "Show what a recording contains.",
    "runs": "List the runs of a recording.",
    "tail": "Print the newest rows of a recording.",
    "watch": "Show a recording on the screen while it grows.",
    "live": "Show a recording as a web page while it grows.",
    "alarms": "List, acknowledge and test alarms.",
    "note": "Write a note into a recording, or list its notes.",
    "new-driver": "Write the package of a new driver.",
    "gaps": "Show gaps in the data: where, how long and why.",
    "events": "List the events of a recording.",
    "plot": "Draw a picture of a recording.",
    "report": "Write an HTML report of a recording.",
    "bundle": "Freeze a recording with a manifest, for an archive.",
    "export": "Export to CSV, Excel, JSON Lines, Parquet or NetCDF.",
    "forward": "Forward a recording to a PostgreSQL database.",
    "explain": "Show how a stored value came of the bytes on the line.",
    "redecode": "Decode the kept bytes again, and show what is different.",
    "replay": "Serve a recorded run as a simulator.",
    "cut": "Cut out a small recording for a bug report.",
    "verify": "Check that a recording is as it was sealed.",
    "salvage": "Copy what can be read of a damaged recording into a new one.",
    "upgrade": "Copy a recording of an earlier schema into a new file.",
    "doctor": "Look for what would disturb a recording.",
    "ports": "List the serial ports of this machine.",
    "plugins": "List plugins, drivers and sinks.",
    "instrument": "Check, write and document instrument files.",
    "completion": "Print the script for completion in a shell.",
    "schema": "Print the JSON schema of rig files, for editors.",
}
"""Each command with the first sentence of its help: ``riglog --help`` imports none of them."""


class LazyGroup(click.Group):
    """The commands of riglog, then those of the plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_plugin_commands()
        return [*COMMANDS, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = import_module(f"riglog.cli.commands.{name.replace('-', '_')}").command
            return command
        self._add_plugin_commands()
        return self.commands.get(name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what click writes, without importing the commands of riglog."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        others = {name: found.get_short_help_str(room) for name, found in self.commands.items() if not found.hidden}
        shown = others | COMMANDS
        with formatter.section("Commands"):
            formatter.write_dl([(name, shown[name]) for name in names if name in shown])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return what click returns, without importing the commands of riglog."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        own = {name: found.get_short_help_str() for name, found in self.commands.items() if not found.hidden}
        shown = own | COMMANDS
        commands = [CompletionItem(name, help=shown[name]) for name in names if name in shown]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

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
            from riglog.cli.loading import load_installed

            load_installed().add_commands(self)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="riglog")
def cli() -> None:
    """Record instruments of different vendors into one table.

    Exit codes: 0 success; 1 completed, but values are missing; 2 usage or configuration error; 3 port, protocol or
    device error; 4 storage error; 129/130/143 interrupted (SIGHUP/Ctrl-C/SIGTERM),
    data stored.
    """


def run() -> int:
    """Run the command of the arguments; return its exit code."""
    try:
        code = cli.main(prog_name="riglog", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = ABORTED
    except (Exception, BaseExceptionGroup) as error:
        code = explain(error)
    return code if isinstance(code, int) else DONE
