"""Against pymodbus's own server, an independent peer: RTU and ASCII over two joined ptys, and TCP."""

import asyncio
import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from riglog.protocol import Connection
from riglog.protocol.modbus import IllegalDataAddressError
from riglog.protocol.modbus.client import ModbusClient
from riglog.transport import Link, open_transport

pytestmark = pytest.mark.real_time
UNIT = 1


def device() -> Any:
    from pymodbus.simulator import DataType, SimData, SimDevice

    coils = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
    inputs = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    holding = [SimData(100, values=[25.5, -40.0], datatype=DataType.FLOAT32)]
    return SimDevice(
        id=UNIT, simdata=(coils, inputs, holding, [SimData(100, values=[99.25], datatype=DataType.FLOAT32)])
    )


@contextmanager
def joined_ptys() -> Iterator[tuple[str, str]]:
    """Two ptys whose masters are joined: what one side says the other hears."""
    masters, slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
    for descriptor in (*masters, *slaves):
        tty.setraw(descriptor)
    stop_read, stop_write = os.pipe()

    def pump() -> None:
        other = {masters[0]: masters[1], masters[1]: masters[0]}
        while True:
            ready, _, _ = select.select([*masters, stop_read], [], [])
            if stop_read in ready:
                return
            for master in ready:
                os.write(other[master], os.read(master, 4096))

    thread = threading.Thread(target=pump)
    thread.start()
    try:
        yield os.ttyname(slaves[0]), os.ttyname(slaves[1])
    finally:
        os.write(stop_write, b"x")
        thread.join()
        for descriptor in (*masters, *slaves, stop_read, stop_write):
            os.close(descriptor)


@contextmanager
def serving(make: Any) -> Iterator[Any]:
    """A pymodbus server in a thread with an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    async def start() -> Any:
        server = make()
        await server.serve_forever(background=True)
        return server

    server = call(start())
    try:
        yield server
    finally:
        call(server.shutdown())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(params=["modbus-rtu", "modbus-ascii", "modbus-tcp"])
def line(request: pytest.FixtureRequest) -> Iterator[tuple[str, Link]]:
    """Port and link of a running server."""
    from pymodbus.framer import FramerType
    from pymodbus.server import ModbusSerialServer, ModbusTcpServer

    link = Link(protocol=request.param, baudrate=19200)
    with ExitStack() as stack:
        if request.param == "modbus-tcp":
            server = stack.enter_context(serving(lambda: ModbusTcpServer([device()], address=("127.0.0.1", 0))))
            yield f"tcp://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}", link
        else:
            ours, theirs = stack.enter_context(joined_ptys())
            framer = FramerType.RTU if request.param == "modbus-rtu" else FramerType.ASCII
            stack.enter_context(
                serving(lambda: ModbusSerialServer([device()], framer=framer, port=theirs, baudrate=19200))
            )
            yield ours, link


async def test_pymodbus_own_server_understands_and_is_understood(line: tuple[str, Link]) -> None:
    port, link = line
    transport = await open_transport(port, link)
    try:
        unit = ModbusClient(Connection(transport, link), timeout=2.0).unit(UNIT)
        reply = (await unit.read_holding_registers(100, count=4)).reply
        assert unit.convert_from_registers(reply.registers, unit.DATATYPE.FLOAT32) == [25.5, -40.0]
        reply = (await unit.read_input_registers(100, count=2)).reply
        assert unit.convert_from_registers(reply.registers, unit.DATATYPE.FLOAT32) == 99.25
        assert (await unit.read_coils(0, count=9)).reply.bits[:9] == [True] * 9
        assert (await unit.read_discrete_inputs(0, count=3)).reply.bits[:3] == [False] * 3
        await unit.write_coil(2, False)
        await unit.write_coils(4, [False, False])
        assert (await unit.read_coils(0, count=7)).reply.bits[:7] == [True, True, False, True, False, False, True]
        await unit.write_register(100, 0x41CC)
        await unit.write_registers(100, [0x4148, 0])
        answer = await unit.read_holding_registers(100, count=2)
        assert unit.convert_from_registers(answer.reply.registers, unit.DATATYPE.FLOAT32) == 12.5
        assert 0 < (answer.stamp.latency_ns or 0) < 2e9
        await unit.diag_query_data(b"\xab\xcd")
        with pytest.raises(IllegalDataAddressError):
            await unit.read_holding_registers(5000)
    finally:
        await transport.aclose()
