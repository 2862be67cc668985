"""Errors of an analyzer, beyond those that riglog has for every device."""

from riglog.errors import DeviceError, ProtocolError


class BadFrameError(ProtocolError):
    """A broadcast frame was damaged and discarded; ``outcome`` is the check that failed."""

    def __init__(self, outcome: str, /, *, port: str | None = None, frame: bytes | None = None) -> None:
        super().__init__(f"broadcast frame discarded: {outcome}", port=port, frame=frame)
        self.outcome = outcome


class OldFrameError(ProtocolError):
    """A broadcast frame was discarded: repeated, out of order, too close to another one, or read too late."""


class ChannelAbsentError(DeviceError):
    """The channel is not present in this analyzer, or not in its broadcast."""


class StartUnknownError(DeviceError):
    """A request to start or stop an autocalibration was not confirmed: it may or may not have been executed."""


class CoilLeftSetError(DeviceError):
    """A request coil could not be cleared; until it is, the next request on this coil has no effect."""
