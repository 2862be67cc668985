"""A simulated controller on Standard Bus, byte-accurate. Several on one bus: SimulatedBus of riglog.

Source: Watlow wire specification, sections 3.2, 5 and 6.
"""

from riglog.model import Channel
from riglog.simulation import Simulator
from riglog_watlow.parameters import WireValue
from riglog_watlow.simulator.instrument import Refusal, Refused
from riglog_watlow.simulator.models import SimulatedPM
from riglog_watlow.stdbus import frames, message
from riglog_watlow.targets import Target

MULTI_VALUE, UNKNOWN_SERVICE = 0x02, 0x05
FRAME_TIMEOUT = 0.05
"""Seconds without a byte after which the controller discards an incomplete frame."""


class StdBusSimulator(Simulator):
    """Responds to intact requests to its own address only."""

    def __init__(self, address: int = 1, *, controller: SimulatedPM | None = None) -> None:
        self.address = address
        self.controller = controller or SimulatedPM(address)
        self._buffer = bytearray()
        self._last_input = 0.0

    def receive(self, data: bytes, now: float) -> bytes:
        if now - self._last_input > FRAME_TIMEOUT:
            self._buffer.clear()
        self._last_input = now
        self._buffer += data
        replies = b""
        frame, position = frames.next_frame(self._buffer, 0)
        while frame is not None:
            replies += self._reply(frame, now)
            frame, position = frames.next_frame(self._buffer, position)
        del self._buffer[:position]
        return replies

    def foreign(self, reply: bytes) -> bytes:
        frame, _ = frames.next_frame(reply, 0)
        if frame is None:
            return b""
        other = frames.mac((frame.source - frames.mac(0)) % 16 + 1)
        return frames.frame_bytes(frame.kind, frame.destination, other, frame.payload)

    def set(self, name: str, value: str) -> None:
        self.controller.set(name, value)

    def truth(self, channel: Channel) -> float | None:
        """Return the true value of a channel now, in degF; None if there is none."""
        return self.controller.truth(channel)

    def _reply(self, frame: frames.Frame, now: float) -> bytes:
        if frame.kind != frames.REQUEST or frame.destination != frames.mac(self.address):
            return b""
        self.controller.panel.request(now)
        try:
            payload = self._execute(frame.payload, now)
        except Refused as refused:
            payload = bytes([message.FROM_DEVICE, refused.refusal])
        return frames.frame_bytes(frames.REPLY, frame.source, frame.destination, payload) if payload else b""

    def _execute(self, payload: bytes, now: float) -> bytes:
        match payload[:2]:
            case b"\x01\x03" if len(payload) >= 6 and payload[2] != MULTI_VALUE:
                return self._read(payload[3:6], now)
            case b"\x01\x04" if len(payload) >= 6:
                return self._write(payload[2:5], payload[5:], now)
            case b"\x01\x05" if len(payload) >= 4:
                return bytes([message.FROM_DEVICE, UNKNOWN_SERVICE, *payload[2:4], 0x00])
        return b""

    def _read(self, selector: bytes, now: float) -> bytes:
        target = self._target(selector)
        value = self.controller.read(target, now)
        head = bytes([message.FROM_DEVICE, message.READ, message.ONE_VALUE])
        return head + selector + message.encode_value(target.parameter.tag or message.FLOAT, value)

    def _write(self, selector: bytes, data: bytes, now: float) -> bytes:
        target = self._target(selector)
        self.controller.check_writable(target)
        if data[0] != target.parameter.tag:
            raise Refused(Refusal.WRONG_TYPE)
        self.controller.write(target, _decoded(data), now)
        return bytes([message.FROM_DEVICE, message.WRITE]) + selector + data

    def _target(self, selector: bytes) -> Target:
        return Target(self.controller.find(selector[0] * 1000 + selector[1]), selector[2])


def _decoded(data: bytes) -> WireValue:
    try:
        return message.decode_value(data)[1]
    except ValueError:
        raise Refused(Refusal.NOT_ACCEPTED) from None
