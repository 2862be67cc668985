"""What other programs send to a recording: a closed list, told apart by a tag."""

from msgspec import structs

from riglog.model.actor import Actor
from riglog.model.alarm import Acknowledgement
from riglog.model.note import Note, stored
from riglog.model.text import storable

Message = Note | Acknowledgement


def storable_message(message: Message) -> Message:
    """Return a message with texts that every store can hold."""
    if isinstance(message, Note):
        return stored(message)
    author = Actor(*map(storable, structs.astuple(message.author)))
    why = None if message.reason is None else storable(message.reason)
    return structs.replace(message, alarm=storable(message.alarm), author=author, reason=why)
