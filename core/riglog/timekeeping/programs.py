"""Runs a program of the operating system, and reads a little of what it prints: it may hang, and print without end."""

import os
import subprocess
import threading
from contextlib import suppress

SECONDS = 2.0
MOST_BYTES = 64 * 1024


def output_of(*command: str, seconds: float = SECONDS) -> str | None:
    """Return what a program prints; None if there is none, it fails, or it takes too long. Never by a shell. Blocking.

    Args:
        seconds: after which it is ended.
    """
    environment = os.environ | {"LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal is for riglog
        )
    except (OSError, ValueError):
        return None
    found: list[bytes] = []
    reader = threading.Thread(target=_read, args=(process, found), name="riglog clock", daemon=True)
    reader.start()
    reader.join(seconds)  # not the program: one that it has started may keep the pipe open
    content = found[0] if found else None
    try:
        code = process.wait(0 if content is None or len(content) >= MOST_BYTES else 0.5)
    except subprocess.TimeoutExpired:
        code = None
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    if not reader.is_alive() and process.stdout is not None:
        process.stdout.close()
    return content.decode(errors="replace") if content is not None and code == 0 else None


def _read(process: "subprocess.Popen[bytes]", found: list[bytes]) -> None:
    assert process.stdout is not None
    with suppress(OSError, ValueError):
        found.append(process.stdout.read(MOST_BYTES))
