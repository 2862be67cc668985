"""The command line: prints and exit codes, nothing else."""

from riglog.cli.app import main

__all__ = ["main"]
