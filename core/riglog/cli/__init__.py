"""The command line: arguments, printed output and exit codes. Everything else is in the library."""

from riglog.cli.entry import main

__all__ = ["main"]
