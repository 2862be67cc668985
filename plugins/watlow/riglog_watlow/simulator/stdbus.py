"""The far end of a Standard Bus: one controller, byte-accurate. Several on one pair of wires: riglog's SimulatedBus.

Source: Watlow wire specification, sections 3.2, 5 and 6.
"""

from riglog.transport import Simulator
from riglog_watlow import stdbus
from riglog_watlow.simulated_pm import NOT_ACCEPTED, WRONG_TYPE, Refused, SimulatedPM
from riglog_watlow.stdbus import Frame, WireValue

MULTI_VALUE, UNKNOWN_SERVICE = 0x02, 0x05
PATIENCE = 0.05
"""Seconds of silence after which the controller forgets half a frame."""


class StdBusSimulator(Simulator):
    """Answers intact requests to its own address, and nothing else."""

    def __init__(self, address: int = 1, *, controller: SimulatedPM | None = None) -> None:
        self.address = address
        self.controller = controller or SimulatedPM(address)
        self._buffer = bytearray()
        self._heard = 0.0

    def receive(self, data: bytes, now: float) -> bytes:
        if now - self._heard > PATIENCE:
            self._buffer.clear()
        self._heard = now
        self._buffer += data
        replies = b""
        frame, position = stdbus.next_frame(self._buffer, 0)
        while frame is not None:
            replies += self._reply(frame, now)
            frame, position = stdbus.next_frame(self._buffer, position)
        del self._buffer[:position]
        return replies

    def foreign(self, reply: bytes) -> bytes:
        frame, _ = stdbus.next_frame(reply, 0)
        if frame is None:
            return b""
        other = stdbus.mac((frame.source - stdbus.mac(0)) % 16 + 1)
        return stdbus.frame_bytes(frame.kind, frame.destination, other, frame.payload)

    def set(self, name: str, value: str) -> None:
        self.controller.set(name, value)

    def _reply(self, frame: Frame, now: float) -> bytes:
        if frame.kind != stdbus.REQUEST or frame.destination != stdbus.mac(self.address):
            return b""
        payload = frame.payload
        try:
            answer = self._answer(payload, now)
        except Refused as refused:
            answer = bytes([stdbus.FROM_DEVICE, refused.code])
        return stdbus.frame_bytes(stdbus.REPLY, frame.source, frame.destination, answer) if answer else b""

    def _answer(self, payload: bytes, now: float) -> bytes:
        match payload[:2]:
            case b"\x01\x03" if len(payload) >= 6 and payload[2] != MULTI_VALUE:
                return self._read(payload[3:6], now)
            case b"\x01\x04" if len(payload) >= 6:
                return self._write(payload[2:5], payload[5:], now)
            case b"\x01\x05" if len(payload) >= 4:
                return bytes([stdbus.FROM_DEVICE, UNKNOWN_SERVICE, *payload[2:4], 0x00])
        return b""

    def _read(self, selector: bytes, now: float) -> bytes:
        parameter, value = self.controller.read(*_parameter_and_instance(selector), now)
        head = bytes([stdbus.FROM_DEVICE, stdbus.READ, stdbus.ONE_VALUE])
        return head + selector + stdbus.encode_value(parameter.tag or stdbus.FLOAT, value)

    def _write(self, selector: bytes, data: bytes, now: float) -> bytes:
        parameter_id, instance = _parameter_and_instance(selector)
        parameter = self.controller.check_writable(parameter_id, instance)
        if data[0] != parameter.tag:
            raise Refused(WRONG_TYPE)
        self.controller.write(parameter_id, instance, _decoded(data), now)
        return bytes([stdbus.FROM_DEVICE, stdbus.WRITE]) + selector + data


def _parameter_and_instance(selector: bytes) -> tuple[int, int]:
    return selector[0] * 1000 + selector[1], selector[2]


def _decoded(data: bytes) -> WireValue:
    try:
        return stdbus.decode_value(data)[1]
    except ValueError:
        raise Refused(NOT_ACCEPTED) from None
