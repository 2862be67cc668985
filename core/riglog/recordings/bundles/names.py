"""Names of files in a bundle: none that an instrument, a run or a user has chosen becomes a path."""

import re

MOST_CHARACTERS = 100
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}
"""Names that Windows does not store, whatever their ending."""


def safe_name(text: str) -> str:
    """Return a name that every file system and archive can hold, and that stays in its folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[:MOST_CHARACTERS].rstrip(".") or "recording"
    return f"_{name}" if name.partition(".")[0].upper() in RESERVED else name


def is_safe_path(path: str) -> bool:
    """Return whether a path of a manifest or an archive stays in its folder, on every operating system."""
    parts = path.split("/")
    return (
        not any(part in ("", ".", "..") for part in parts)
        and not any(character in path for character in "\\:\0")
        and path.isprintable()
    )
