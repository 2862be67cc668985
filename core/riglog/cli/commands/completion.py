"""``riglog completion``: the script with which a shell completes commands, options and file names."""

import click

from riglog.cli.screen import STDOUT

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_RIGLOG_COMPLETE"


@click.command("completion", short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script with which SHELL completes the commands and options of riglog.

    For the present session: eval "$(riglog completion bash)". For all: write it into a file that the shell reads.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    STDOUT.write(found(click.get_current_context().find_root().command, {}, "riglog", VARIABLE).source() + "\n")
