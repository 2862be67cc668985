"""Runs the command line: ``python -m riglog`` does the same as ``riglog``."""

from riglog.cli import main

main()
