"""``python -m riglog`` is ``riglog``."""

from riglog.cli import main

main()
