"""The client of an opened port, and the wire protocol that a configuration selects."""

from riglog.device import DeviceContext
from riglog.model import Clock
from riglog.plugin import AnyClient
from riglog.protocol import Connection, ProtocolClient
from riglog.protocol.modbus import connect_modbus
from riglog_watlow.config import WatlowConfig
from riglog_watlow.families import STDBUS
from riglog_watlow.protocol import WatlowProtocol
from riglog_watlow.stdbus.codec import ALL_MASTERS, MASTERS, StdBusCodec, StdBusReply, StdBusRequest
from riglog_watlow.stdbus.protocol import StdBusProtocol


def connect(connection: Connection) -> AnyClient:
    """Return the client for the protocol of an opened port."""
    return connect_stdbus(connection) if connection.link.protocol == STDBUS else connect_modbus(connection)


def connect_stdbus(connection: Connection) -> ProtocolClient[StdBusRequest, StdBusReply]:
    """Return the client of an opened Standard Bus port."""
    return ProtocolClient(connection, StdBusCodec(ALL_MASTERS if connection.link.all_variants else MASTERS))


def protocol_for(config: WatlowConfig, client: AnyClient) -> WatlowProtocol:
    """Return the parameters of one controller over the protocol of its port.

    Raises:
        TypeError: the client is not one of the configured protocol.
    """
    if config.wire_protocol == STDBUS:
        return StdBusProtocol(config.address, client.timeout)
    from riglog.protocol.modbus.client import ModbusClient  # imports pymodbus
    from riglog_watlow.modbus.protocol import ModbusProtocol

    if not isinstance(client, ModbusClient):
        raise TypeError(f"{config.wire_protocol} needs a ModbusClient, not a {type(client).__name__}")
    return ModbusProtocol(client, config)


def context_for(config: WatlowConfig, clock: Clock) -> DeviceContext:
    """Return the context of a controller that is opened outside of a rig."""
    return DeviceContext(
        device=config.name,
        driver=config.driver,
        protocol=config.wire_protocol,
        address=config.bus_address,
        clock=clock,
    )
