"""The event of an instrument that was replaced on purpose: which one, by which, and who accepted it."""

from riglog.model import Clock, Event, EventKind, storable
from riglog.model.actor import NOT_KNOWN, present_reason, this_actor, user


def acceptance(device: str, old: str | None, new: str | None, clock: Clock, reason: str | None = None) -> Event:
    """Return the event for a device whose identity was ``old`` and is ``new``; None: it reports none."""
    message = (
        f"identity accepted by user {storable(user())}: it is {new} as before"
        if new is not None and new == old
        else f"identity accepted by user {storable(user())}: {new or NOT_KNOWN} replaces {old or NOT_KNOWN}"
    )
    return Event(
        clock.utc_ns(),
        EventKind.IDENTITY_ACCEPTED,
        message,
        device,
        actor=this_actor(),
        reason=reason or present_reason(),
    )
