"""The inbox of a recording: a folder beside it, for what must get into a recording that has another writer.

Each message is a file. It is written under a hidden name and gets its own when it is complete and on the disk. The
recorder stores it, and deletes it after that; the identity of the message makes it stored once, also if the recorder is
killed in between. Whatever else is in the folder is ignored: everybody who can write there can put anything into it.
"""

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from riglog.errors import StorageError
from riglog.log import get_logger
from riglog.model import Message
from riglog.model.message import storable_message
from riglog.sinks.disk import NOFOLLOW, beside, create_hidden, sync_file, sync_folder
from riglog.sinks.files import file_error

MAX_BYTES = 64 * 1024
MAX_MESSAGES = 200
"""So many are taken in at once; the others follow."""
MAX_ENTRIES = 10_000
ATTEMPTS = 3
_NAME = re.compile(r"[0-9a-f]{32}\.json")
_DECODER = msgspec.json.Decoder(Message)
_READING = os.O_RDONLY | NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe blocks nothing
log = get_logger("riglog.sinks")


class Inbox:
    """The inbox of the recording at a path. The folder exists only while there are messages. Blocking."""

    def __init__(self, recording: Path) -> None:
        self.recording = recording
        self.folder = beside(recording, ".inbox")
        self._ignored: set[str] = set()

    def put(self, message: Message) -> None:
        """Put a message into the inbox; then it is on the disk.

        Raises:
            StorageError: it cannot be written.
        """
        data = msgspec.json.encode(message)
        try:
            for attempt in range(ATTEMPTS):
                try:
                    self._create_folder()
                    self._write(self._path(message.message_id), data)
                    return
                except FileNotFoundError:  # the recorder has just removed the empty folder
                    if attempt == ATTEMPTS - 1:
                        raise
        except OSError as error:
            raise file_error(error, self.folder) from error

    def has(self, message_id: str) -> bool:
        """Return whether a message has not been taken in yet."""
        return self._path(message_id).exists()

    def messages(self) -> list[Message]:
        """Return the messages, oldest first. A file that is none is ignored, with a warning in the log.

        Raises:
            StorageError: the folder cannot be read.
        """
        try:
            names = list(islice(self._names(), MAX_MESSAGES))
        except OSError as error:
            raise file_error(error, self.folder) from error
        found = (self._read(name) for name in names)
        return sorted((each for each in found if each is not None), key=lambda each: each.written_ns)

    def discard(self, message_ids: Iterable[str]) -> None:
        """Delete messages that are stored; one that cannot be deleted is stored once nevertheless."""
        for message_id in message_ids:
            with suppress(OSError):
                self._path(message_id).unlink()
        with suppress(OSError):  # it does not exist, or is not empty
            self.folder.rmdir()

    def _names(self) -> Iterator[str]:
        if self.folder.is_symlink() or not self.folder.is_dir():
            return
        with os.scandir(self.folder) as entries:
            for entry in islice(entries, MAX_ENTRIES):
                if entry.name in self._ignored or entry.name.startswith("."):
                    continue
                if _NAME.fullmatch(entry.name):
                    yield entry.name
                else:
                    self._ignore(entry.name, "its name is not that of a message")

    def _read(self, name: str) -> Message | None:
        """Return the message in a file; None if there is none in it."""
        try:
            file = os.open(self.folder / name, _READING)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._ignore(name, error.strerror or "cannot be opened")
            return None
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
                self._ignore(name, "it is not a file, or too large")
                return None
            message = _DECODER.decode(os.read(file, MAX_BYTES))
        except (OSError, msgspec.DecodeError, UnicodeError) as error:
            self._ignore(name, str(error))
            return None
        finally:
            os.close(file)
        if f"{message.message_id}.json" != name:
            self._ignore(name, "it has the identity of another message")
            return None
        return storable_message(message)

    def _ignore(self, name: str, reason: str) -> None:
        if len(self._ignored) < MAX_ENTRIES:
            self._ignored.add(name)
            log.warning("%s: %r is ignored: %s", self.folder, name, reason)

    def _path(self, message_id: str) -> Path:
        return self.folder / f"{message_id}.json"

    def _create_folder(self) -> None:
        """Create the folder such that whoever may create files beside the recording may do so in it."""
        if self.folder.is_symlink():
            raise StorageError(
                "the inbox of the recording is a link",
                hint="Remove the link: nothing is written through it",
                path=self.folder,
            )
        try:
            self.folder.mkdir()
        except FileExistsError:
            return
        parent = self.folder.parent
        _take_over(self.folder, stat.S_IMODE(parent.stat().st_mode), parent)
        sync_folder(parent)

    def _write(self, path: Path, data: bytes) -> None:
        file, hidden = create_hidden(path)
        try:
            try:
                os.write(file, data)
                mode = stat.S_IMODE(self.recording.stat().st_mode) & 0o666
                _take_over(file, mode, self.recording)  # who may read the recording may read this: another user records
                sync_file(file)
            finally:
                os.close(file)
            os.replace(hidden, path)
        finally:
            hidden.unlink(missing_ok=True)
        sync_folder(path.parent)


def _take_over(path: Path | int, mode: int, pattern: Path) -> None:
    """Give a file or folder a mode, and the group of another one, as far as this user may."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        os.chown(path, -1, pattern.stat().st_gid)
    with suppress(OSError):
        os.chmod(path, mode)
