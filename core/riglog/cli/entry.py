"""The entry of ``riglog``: runs the command line and exits. The version is printed without loading the commands."""

import sys

from riglog.cli.screen import STDOUT, empty_buffers, occupy_closed_streams


def main() -> None:
    """Run the command line and exit."""
    occupy_closed_streams()
    code = print_version() if sys.argv[1:] == ["--version"] else run_command()
    if (lost := STDOUT.take_error()) is not None and code == 0:
        from riglog.cli.errors import STORAGE, print_error

        print_error(f"cannot write to standard output: {lost}")
        code = STORAGE
    empty_buffers()
    sys.exit(code)


def print_version() -> int:
    from importlib.metadata import version

    STDOUT.write(f"riglog, version {version('riglog')}\n")
    return 0


def run_command() -> int:
    from riglog.cli.app import run

    return run()
