"""What can go wrong with an analyser beyond what riglog knows by itself."""

from riglog.errors import DeviceError, ProtocolError


class BadFrameError(ProtocolError):
    """A broadcast line was damaged and dropped; ``outcome`` says which check failed."""

    def __init__(self, outcome: str, /, *, port: str | None = None, line: bytes | None = None) -> None:
        super().__init__(f"broadcast dropped: {outcome}", port=port, line=line)
        self.outcome = outcome


class OldFrameError(ProtocolError):
    """A broadcast came a second time, or after a newer one; it was dropped."""


class ChannelAbsentError(DeviceError):
    """The analyser has no such channel, or does not send it now."""


class StartUnknownError(DeviceError):
    """Nobody confirmed the request to start or stop: it may or may not have been heard. Do not just repeat it."""


class CoilLeftSetError(DeviceError):
    """A request coil could not be put back to 0: until it is, the next request for it does nothing."""
