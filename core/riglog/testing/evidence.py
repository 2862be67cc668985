"""Records a transcript of a real instrument. Only reads are sent; serial numbers are replaced by zeros."""

import platform
import re
import struct
from binascii import crc_hqx
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import anyio
import anyio.to_thread
from msgspec import structs

from riglog.errors import ConfigError, DeviceError
from riglog.manager import DeviceSpec
from riglog.plugin import AnyDriver, Driver
from riglog.protocol import Codec, Connection
from riglog.testing.transcript import FORMAT, Dialogue, Exchange, Reading, perform
from riglog.testing.virtual_time import virtual_backend
from riglog.transport import open_transport
from riglog.transport.noted import NotedTransport

LEAST_SECRET = 5
"""Characters of the shortest serial number."""


def only_reads(codec: Codec[Any, Any]) -> None:
    """Refuse every request that changes the instrument, before it is sent."""
    encode = codec.encode

    def guarded(request: Any) -> bytes:
        if not codec.is_repeatable(request):
            raise DeviceError("the driver would change the instrument to open or to poll it; nothing was sent")
        return encode(request)

    codec.encode = guarded  # type: ignore[method-assign]


async def record_evidence(spec: DeviceSpec, *, model: str, firmware: str, adapter: str) -> Dialogue:
    """Perform the read-only script with a real instrument, and return its transcript without serial numbers.

    Raises:
        ConfigError: the device has no port, or sends without requests.
        PortError, ProtocolError, DeviceError: it cannot be read.
        DeviceError: the transcript gives other values when it is replayed; no evidence.
    """
    driver = spec.driver
    if not isinstance(driver, Driver) or spec.port is None:
        raise ConfigError("a device without a port has no transcript", device=spec.name)
    from riglog.model import SYSTEM_CLOCK

    transport = NotedTransport(await open_transport(spec.port.name, spec.port.link))
    try:
        client = spec.port.factory(Connection(transport, spec.port.link, SYSTEM_CLOCK))
        only_reads(client.codec)
        device = driver.device(spec.config, client.with_timeout(spec.config.timeout), spec.context(SYSTEM_CLOCK))
        readings = await perform(device)
        exchanges = list(transport.exchanges)
        identity = await device.identity()  # for the serial number alone
    finally:
        with anyio.CancelScope(shield=True):
            await transport.aclose()
    secrets = secrets_of(identity)
    settings = {
        name: value
        for name, value in structs.asdict(spec.config).items()
        if name not in ("name", "driver", "port") and value != _default(driver, name)
    }
    dialogue = Dialogue(
        format=FORMAT,
        driver=driver.name,
        settings=settings,
        protocol=spec.port.link.protocol,
        model=model,
        firmware=firmware,
        adapter=adapter,
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        riglog=version("riglog"),
        exchanges=tuple(
            Exchange(sent.hex(), tuple((seconds, data) for seconds, data in _texts(replies, secrets)))
            for sent, replies in exchanges
        ),
        readings=tuple(readings),
    )
    replayed = await anyio.to_thread.run_sync(replayed_in_virtual_time, dialogue, driver)
    if replayed != list(dialogue.readings):
        raise DeviceError(
            "the transcript gives other values when it is replayed, so it proves nothing", device=spec.name
        )
    return dialogue


def replayed_in_virtual_time(dialogue: Dialogue, driver: AnyDriver[Any]) -> list[Reading]:
    """Return the readings of a transcript, on an event loop of its own whose clock jumps."""
    name, options = virtual_backend("asyncio")
    return anyio.run(dialogue.replay, driver, backend=name, backend_options=options)


def _default(driver: Driver[Any, Any], name: str) -> object:
    return next((field.default for field in structs.fields(driver.config) if field.name == name), None)


def _texts(replies: Sequence[tuple[float, bytes]], secrets: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Yield the pieces of a reply as text; they are joined if a serial number is in them."""
    whole = b"".join(data for _, data in replies)
    clean = blanked(whole, secrets)
    if clean == whole:
        yield from ((seconds, data.hex()) for seconds, data in replies)
    elif replies:
        yield replies[-1][0], clean.hex()


def secrets_of(identity: str | None) -> list[str]:
    """Return the parts of an identity that may be a serial number: those with four digits or more."""
    words = re.findall(rf"[A-Za-z0-9]{{{LEAST_SECRET},}}", identity or "")
    return [word for word in words if sum(character.isdigit() for character in word) >= 4]


def blanked(data: bytes, secrets: Sequence[str]) -> bytes:
    """Return bytes with zeros in place of each serial number, and with the checksum that belongs to them."""
    clean = data
    for form, zeros in (pair for secret in secrets for pair in _forms(secret)):
        clean = clean.replace(form, zeros)
    if clean == data:
        return data
    for checked in CHECKSUMS:
        if checked(data) == data:
            return checked(clean)
    return clean


def _forms(secret: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield how a serial number may be transmitted, each with what replaces it: as text, and as a number of 4 bytes."""
    text = secret.encode()
    yield text, b"0" * len(text)
    yield text.hex().upper().encode(), b"30" * len(text)
    if secret.isdigit() and (number := int(secret)) < 2**32 and number > 0xFFFF:
        high, low = struct.pack(">HH", *divmod(number, 0x10000))[:2], struct.pack(">H", number & 0xFFFF)
        for form in (high + low, low + high, number.to_bytes(4, "little")):
            yield form, bytes(4)
            yield form.hex().upper().encode(), b"0" * 8


def _modbus_crc(body: bytes) -> int:
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def _rtu(data: bytes) -> bytes:
    return data[:-2] + struct.pack("<H", _modbus_crc(data[:-2]))


def _ascii_lrc(data: bytes) -> bytes:
    """A Modbus ASCII frame: hexadecimal text with the sum of its bytes."""
    try:
        body = bytes.fromhex(data[1:-4].decode("ascii"))
    except ValueError:
        return b""
    return data[:-4] + f"{-sum(body) & 0xFF:02X}".encode() + data[-2:]


def _sum(data: bytes) -> bytes:
    return data[:-1] + bytes([sum(data[:-1]) & 0xFF])


def _ccitt(data: bytes) -> bytes:
    return data[:-2] + struct.pack(">H", crc_hqx(data[:-2], 0xFFFF))


def _ms_tp(data: bytes) -> bytes:
    """The data check of BACnet MS/TP: CRC-16/X-25 behind a header of 8 bytes."""
    crc = 0xFFFF
    for byte in data[8:-2]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return data[:-2] + struct.pack("<H", crc ^ 0xFFFF)


CHECKSUMS: tuple[Callable[[bytes], bytes], ...] = (_rtu, _ascii_lrc, _ccitt, _ms_tp, _sum)
"""Each returns a frame with its checksum corrected. A frame has the one that it was received with."""
