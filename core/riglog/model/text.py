"""Texts that every store can hold."""


def storable(text: str) -> str:
    """Return a text without NUL and lone surrogates, which become escapes: it may come from a foreign library."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
