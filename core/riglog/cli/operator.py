"""What a user types on a live screen: ``n`` begins a note, ``a`` acknowledges the alarms that are shown."""

from collections.abc import Callable

from riglog.errors import RiglogError
from riglog.model.note import MAX_TEXT

HELP = "n: note   a: acknowledge alarms"
TYPING = "Enter: store   Esc: discard"
ENTER = ("\r", "\n")
BACKSPACE = ("\x7f", "\b")
ERASE_ALL = "\x15"  # Ctrl-U


class Operator:
    """The line that is being typed, or what came of the last one.

    Args:
        write_note: stores a note.
        acknowledge: acknowledges what is shown, and returns how many alarms.
    """

    def __init__(self, write_note: Callable[[str], object], acknowledge: Callable[[], int]) -> None:
        self._write_note = write_note
        self._acknowledge = acknowledge
        self._text: str | None = None  # of the note that is being typed
        self.result = ""

    @property
    def typing(self) -> bool:
        return self._text is not None

    @property
    def line(self) -> str:
        """The line for the screen; empty if there is nothing to show."""
        return self.result if self._text is None else f"note: {self._text}_   ({TYPING})"

    def key(self, key: str) -> bool:
        """Take a key. Return False if it means nothing here."""
        if self._text is not None:
            self._type(key)
        elif key in ("n", "N"):
            self._text, self.result = "", ""
        elif key in ("a", "A"):
            self.result = self._attempt(self._acknowledged)
        else:
            return False
        return True

    def _type(self, key: str) -> None:
        text = self._text or ""
        if key in ENTER:
            self._text = None
            self.result = self._attempt(lambda: self._stored(text)) if text.strip() else ""
        elif key == "escape":
            self._text = None
        elif key in BACKSPACE:
            self._text = text[:-1]
        elif key == ERASE_ALL:
            self._text = ""
        elif len(key) == 1 and key.isprintable() and len(text) < MAX_TEXT:
            self._text = text + key

    def _stored(self, text: str) -> str:
        self._write_note(text)
        return f"note: {text}"

    def _acknowledged(self) -> str:
        count = self._acknowledge()
        return f"alarms acknowledged: {count}" if count else "no alarm to acknowledge"

    @staticmethod
    def _attempt(action: Callable[[], str]) -> str:
        try:
            return action()
        except RiglogError as error:
            return error.message
