"""CPU of the client per operation, over a pseudo-terminal; the instrument responds at once, from another process.

``poll`` is the whole way to one sample, ``transaction`` one request of it through the client; ``raw`` the same bytes
without any protocol: write, wait until readable, read. The ratio is that of a transaction, or of a poll that has none,
to ``raw``, both measured in turns. The inter-frame gap is set to 0, as its sleep would be counted.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
from measuring import cpu_of_each, instrument, pin

from riglog.device import Device
from riglog.manager import resolve_device
from riglog.model import SYSTEM_CLOCK
from riglog.plugin import Driver, installed
from riglog.protocol import Connection
from riglog.transport import open_transport

CALLS = 500
Table = dict[str, Any]

WATLOW: Table = {"driver": "watlow", "parameters": ["setpoint"]}
UNIT_KNOWN: Table = {"wire_temperature_unit": "degF"}  # or the unit would be read with every poll
SARTORIUS: Table = {"driver": "sartorius"}
CASES: dict[str, Table] = {
    "watlow stdbus": WATLOW | {"protocol": "stdbus"},
    "watlow modbus-rtu": WATLOW | UNIT_KNOWN | {"protocol": "modbus-rtu"},
    "sartorius xbpi": SARTORIUS | {"protocol": "xbpi"},
    "sartorius sbi": SARTORIUS | {"protocol": "sbi"},
    "sartorius autoprint": SARTORIUS | {"protocol": "sbi", "autoprint": True},
    "  lines waiting": SARTORIUS | {"protocol": "sbi", "autoprint": True},
    "servomex broadcast": {"driver": "servomex", "protocol": "continuous"},
    "servomex modbus-rtu": {"driver": "servomex", "protocol": "modbus-rtu"},
}


PAUSES = {"  lines waiting": 0.0}
"""Seconds between two lines: with 0 the next line is always there already."""
USUAL_PAUSE = 0.0005


async def costs(table: Table, pause: float) -> tuple[float, float | None, float]:
    """Return microseconds per poll, per transaction, and per exchange of the bytes of a poll without riglog."""
    with instrument(table, pause=pause) as port, instrument(table, pause=pause) as other:
        raw_port = os.open(other, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)  # the transport's stays registered
        spec = resolve_device(installed(), table | {"name": "device", "port": port})
        assert spec.port is not None
        assert isinstance(spec.driver, Driver)
        transport = await open_transport(port, spec.port.link)
        client = spec.port.factory(Connection(transport, spec.port.link))
        device = spec.driver.device(spec.config, client, spec.context(SYSTEM_CLOCK))
        client.line.inter_frame_gap = 0.0
        await device.open()
        await device.poll()  # the first one also checks the settings
        sent, request = await sent_by_one_poll(device, client, transport)
        calls: list[Callable[[], Awaitable[object]]] = [device.poll, lambda: exchange_each(raw_port, sent)]
        if request is not None:
            calls.append(lambda: client.transact(request))
        poll, raw, *transaction = await cpu_of_each(calls, CALLS)
        await transport.aclose()
        os.close(raw_port)
        return poll, *(transaction or [None]), raw


async def sent_by_one_poll(device: Device, client: Any, transport: Any) -> tuple[list[bytes], Any]:
    """Return the bytes of each request of a poll, and its only request, if it has one. Check that it gives values."""
    sent: list[bytes] = []
    requests: list[Any] = []
    send, encode = transport.send, client.codec.encode
    transport.send = lambda data: sent.append(data) or send(data)
    client.codec.encode = lambda request: requests.append(request) or encode(request)
    samples = await device.poll()
    del transport.send, client.codec.encode
    assert samples, "a poll of one instrument has samples"
    assert all(sample.error is None for sample in samples), samples
    return sent, requests[0] if len(requests) == 1 else None


async def exchange_each(fd: int, requests: Sequence[bytes]) -> None:
    for request in requests or [b""]:
        await exchange(fd, request)


async def exchange(fd: int, request: bytes) -> bytes:
    if request:
        os.write(fd, request)
    await anyio.wait_readable(fd)
    return os.read(fd, 4096)


def main() -> None:
    pin()
    for name, table in CASES.items():
        for backend in ("asyncio", "trio"):
            poll, transaction, raw = anyio.run(costs, table, PAUSES.get(name, USUAL_PAUSE), backend=backend)
            shown = f"transaction {transaction:4.0f} us" if transaction else " " * 19
            ratio = (transaction or poll) / raw
            print(f"{name:20} {backend:8} ratio {ratio:4.2f}   raw {raw:4.0f} us   {shown}   poll {poll:4.0f} us")  # noqa: T201


if __name__ == "__main__":
    main()
