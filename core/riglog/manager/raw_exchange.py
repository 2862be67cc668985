"""One frame to an instrument, exactly as given, and everything that is received for it: what ``riglog raw`` does.

There are no retries and no variants. A frame that may change the instrument needs confirmation; of one that the codec
does not know it is not known that it does not. A line on which others send is not disturbed.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import anyio
from msgspec import Struct

from riglog.device.frame_reader import FrameKind, FrameReader, Incomplete, SeenFrame
from riglog.errors import ConfirmationError, DeviceError, ProtocolError, RiglogError, error_context
from riglog.manager.device_spec import DeviceSpec
from riglog.manager.port_opening import open_port_of, reader_of
from riglog.model import NS, SYSTEM_CLOCK, Sample, Stamp
from riglog.transport import Transport
from riglog.transport.noted import NotedTransport

LISTEN_SECONDS = 0.5
"""Before the frame: autoprint lines were observed 0.4 s apart."""

AFTER_NO_REPLY = 0.2
"""Seconds to receive after a request that has no reply."""

LONGEST_FRAME = 256
"""Characters of a reply, whose time on the line is added to the timeout."""

MAX_SHOWN = 4096
Receive = Callable[[], Awaitable[bytes]]


class RawExchange(Struct, frozen=True):
    """What was sent and received.

    Attributes:
        pieces: seconds after sending, and the bytes that were received then.
        frames: what was received, in the terms of the protocol, with its fields.
        samples: the values in the reply, as far as it states them alone.
        echo: the adapter returned the frame; it is not in ``received``.
        problem: why there is no reply to the frame, or the refusal in it; None: a reply.
    """

    sent: bytes
    asked: SeenFrame | None
    fields: dict[str, object]
    received: bytes
    pieces: Sequence[tuple[float, bytes]]
    frames: Sequence[tuple[SeenFrame, dict[str, object]]]
    samples: Sequence[Sample]
    echo: bool
    problem: str | None


async def raw_exchange(
    spec: DeviceSpec,
    words: Sequence[str] = (),
    *,
    frame: bytes | None = None,
    confirm: bool = False,
    opener: Callable[[DeviceSpec], Awaitable[Transport]] = open_port_of,
) -> RawExchange:
    """Send one frame, once, and return everything that was received.

    Args:
        words: a command in the terms of the protocol; see ``FrameReader.command``.
        frame: the bytes to send, instead of a command.
        confirm: send a frame that may change the instrument, and send although others use the line.

    Raises:
        ConfigError: not a command of the protocol; nothing was opened.
        ConfirmationError: the frame may change the instrument, or the line is in use, and ``confirm`` is not True;
            nothing was sent.
        PortError: the port cannot be opened.
    """
    reader = reader_of(spec)
    request: Any = None
    if frame is None:
        request = reader.command(words)
        sent = reader.codec.encode(request)
    else:
        sent = frame
    seen = reader.first_frame(sent, None, final=True)
    asked = seen if isinstance(seen, SeenFrame) and seen.kind is FrameKind.REQUEST and seen.raw == sent else None
    if frame is not None and asked is not None:
        request = asked.request
    with error_context(device=spec.name, port=spec.port_name):
        if confirm is not True and (request is None or not reader.codec.is_repeatable(request)):
            what = "a frame that is not known" if asked is None else repr(asked.text)
            raise ConfirmationError(
                f"{what} may change the instrument and needs confirmation",
                hint="Nothing was sent. Pass confirm=True, or --confirm on the command line",
            )
        noted = NotedTransport(await opener(spec))
        try:
            await _require_idle(noted, confirm)
            return await _exchange(spec, reader, noted, sent, request, asked)
        finally:
            with anyio.CancelScope(shield=True):
                await noted.aclose()


async def _require_idle(transport: Transport, confirm: bool) -> None:
    """Refuse to send into the traffic of others, or to an instrument that sends without requests."""
    if confirm is True:
        transport.discard_input()
        return
    received = await _received_within(transport.receive, LISTEN_SECONDS)
    if received:
        raise ConfirmationError(
            "the line is in use: something is received without a request",
            hint="Nothing was sent. `riglog tap` shows what is received; --confirm sends nevertheless",
            received=received,
        )


async def _received_within(receive: Receive, seconds: float) -> bytes:
    with anyio.move_on_after(seconds):
        return await receive()
    return b""


async def _exchange(
    spec: DeviceSpec,
    reader: FrameReader[Any],
    transport: NotedTransport,
    sent: bytes,
    request: Any,
    asked: SeenFrame | None,
) -> RawExchange:
    assert spec.port is not None
    link = spec.port.link
    expects = request is None or reader.has_reply(request)
    seconds = (spec.config.timeout or reader.timeout) if expects else AFTER_NO_REPLY
    if transport.has_line_time:
        seconds += link.seconds(len(sent) + LONGEST_FRAME)
    await transport.send(sent)
    received = bytearray()
    problem: str | None = f"no reply within {seconds:g} s" if expects else None
    with anyio.move_on_after(seconds):
        while len(received) < MAX_SHOWN:
            received += await transport.receive()
            reply = bytes(received)
            if len(sent) < len(reply) and reply.startswith(sent):
                reply = reply[len(sent) :]
            complete, refusal = _is_reply(reader, request, reply)
            if complete:
                problem = refusal
                break
    received_bytes = bytes(received)
    echo = received_bytes.startswith(sent) and (link.echo or len(received_bytes) > len(sent))
    if echo:
        received_bytes = received_bytes[len(sent) :]
    frames = list(frames_in(reader, request, received_bytes))
    if problem is not None and request is None and frames:
        problem = None  # it is not known what the reply is; what was received is shown
    samples = _samples(reader, request, frames, transport.exchanges[-1][1]) if problem is None else []
    fields = dict(reader.fields(asked, None)) if asked is not None else {}
    return RawExchange(sent, asked, fields, received_bytes, transport.exchanges[-1][1], frames, samples, echo, problem)


def _samples(
    reader: FrameReader[Any],
    request: Any,
    frames: Sequence[tuple[SeenFrame, dict[str, object]]],
    pieces: Sequence[tuple[float, bytes]],
) -> list[Sample]:
    """Return the values in the reply."""
    now, latency = SYSTEM_CLOCK.utc_ns(), round(pieces[-1][0] * NS) if pieces else 0
    stamp = Stamp(now, latency, SYSTEM_CLOCK.monotonic_ns() - latency // 2)
    found: list[Sample] = []
    for frame, _ in frames:
        if request is not None and frame.kind in (FrameKind.REPLY, FrameKind.UNSOLICITED):
            with suppress(DeviceError, ProtocolError):
                found += reader.samples(frame, request, stamp)
    return found


def _is_reply(reader: FrameReader[Any], request: Any, received: bytes) -> tuple[bool, str | None]:
    """Return whether the reply is complete, and the refusal or the fault in it."""
    if request is None:
        return False, None
    try:
        return reader.codec.decode(request, bytearray(received)) is not None, None
    except (DeviceError, ProtocolError) as error:
        return True, _text(error)


def _text(error: RiglogError) -> str:
    return error.message


def frames_in(reader: FrameReader[Any], request: Any, received: bytes) -> list[tuple[SeenFrame, dict[str, object]]]:
    """Return the frames in what was received, and the bytes between them."""
    found: list[tuple[SeenFrame, dict[str, object]]] = []
    at = begin = 0
    while at < len(received):
        seen = reader.first_frame(received[at:], request, final=True)
        if isinstance(seen, Incomplete) or seen is None:
            at += 1
            continue
        if begin < at:
            found.append((SeenFrame(FrameKind.DAMAGED, received[begin:at], "no frame"), {}))
        found.append((seen, dict(reader.fields(seen, request if seen.kind is FrameKind.REPLY else None))))
        at = begin = at + len(seen.raw)
    if begin < len(received):
        found.append((SeenFrame(FrameKind.DAMAGED, received[begin:], "no frame"), {}))
    return found
