"""Rig files of simulated instruments, one of each protocol, and their recordings in virtual time."""

from pathlib import Path

from riglog.config import load_rig
from riglog.rig import record_rig
from riglog.testing import LoopClock

PROTOCOLS = {
    "watlow stdbus": 'driver = "watlow"',
    "watlow modbus-rtu": 'driver = "watlow"\nprotocol = "modbus-rtu"',
    "watlow modbus-tcp": 'driver = "watlow"\nprotocol = "modbus-tcp"',
    "sartorius xbpi": 'driver = "sartorius"\nprotocol = "xbpi"',
    "sartorius sbi": 'driver = "sartorius"\nprotocol = "sbi"',
    "sartorius autoprint": 'driver = "sartorius"\nprotocol = "sbi"\nautoprint = true',
    "servomex modbus-rtu": 'driver = "servomex"\nprotocol = "modbus-rtu"\naddress = 3',
    "servomex modbus-ascii": 'driver = "servomex"\nprotocol = "modbus-ascii"\naddress = 3',
    "servomex continuous": 'driver = "servomex"\nprotocol = "continuous"',
    "modbus": 'driver = "modbus"\ninstrument = "eastron-sdm630"',
    "ascii": 'driver = "ascii"\ninstrument = "mettler-mt-sics"',
}
"""The keys of a device, by protocol."""


def device(protocol: str, name: str = "device", port: str | None = None) -> str:
    """Return the table of a device on a simulated port."""
    return f'[[device]]\nname = "{name}"\nport = "sim:{port or name}"\n{PROTOCOLS[protocol]}\n'


def devices(**named: str) -> str:
    """Return the tables of devices: names and protocols."""
    return "".join(device(protocol, name) for name, protocol in named.items())


def write_rig(folder: Path, tables: str, *, seconds: int, sink: str = "", run: str = "bench") -> tuple[Path, Path]:
    """Write a rig file that records twice a second; return it and the path of the recording.

    Args:
        tables: of the devices, and what else there is.
        sink: further keys of its sink.
    """
    folder.mkdir(exist_ok=True)
    rig, path = folder / "rig.toml", folder / "run.sqlite"
    head = f'[run]\nname = "{run}"\nrate_hz = 2\nduration = "{seconds}s"\n'
    rig.write_text(f'{head}[[sink]]\ntype = "sqlite"\npath = "{path}"\n{sink}\n{tables}')
    return rig, path


async def recorded(folder: Path, tables: str, *, seconds: int, sink: str = "", run: str = "bench") -> Path:
    """Record a rig in virtual time; return the path of the recording. See ``write_rig``."""
    rig, path = write_rig(folder, tables, seconds=seconds, sink=sink, run=run)
    await record_rig(load_rig(rig), clock=LoopClock())
    return path
