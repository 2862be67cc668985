"""``open_device`` and ``open_rig``: instruments for a program that does not need a Manager of its own."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, overload

from riglog.config import RigConfig, load_rig
from riglog.device import Device
from riglog.manager import Manager
from riglog.manager.typed_drivers import MadeDevice, MakesDevice, OpensDevice
from riglog.model import SYSTEM_CLOCK, Clock, ErrorPolicy
from riglog.plugin import AnyDriver, Registry
from riglog.rig.opening import open_devices


@overload
def open_device(
    driver: MakesDevice[MadeDevice], port: str | None = None, *, name: str | None = None, **options: Any
) -> AbstractAsyncContextManager[MadeDevice]: ...
@overload
def open_device(
    driver: OpensDevice[MadeDevice], port: None = None, *, name: str | None = None, **options: Any
) -> AbstractAsyncContextManager[MadeDevice]: ...
@overload
def open_device(
    driver: str, port: str | None = None, *, name: str | None = None, **options: Any
) -> AbstractAsyncContextManager[Device]: ...
def open_device(
    driver: Any, port: str | None = None, *, name: str | None = None, **options: Any
) -> AbstractAsyncContextManager[Any]:
    """Open one device; it is closed, with its port, at the end of the block.

    ``async with riglog.open_device("watlow", port="/dev/ttyUSB0") as oven: print(await oven.poll())``

    Args:
        driver: the name of a driver, or the driver itself (``WatlowDriver()``): then a type checker knows the class of
            the device, with its own methods.
        port: the name of the port; ``sim:NAME`` is a simulated instrument. None: a driver without a port.
        name: the name of the device in its samples; default: that of the driver.
        options: the keys of a ``[[device]]`` table.

    Raises:
        ConfigError: an unknown driver or key, an invalid value; nothing was opened.
        PortError, ProtocolError, DeviceError: the device cannot be opened.
    """
    return _opened(driver, port, name or (driver.name if isinstance(driver, AnyDriver) else str(driver)), options)


@asynccontextmanager
async def _opened(driver: Any, port: str | None, name: str, options: dict[str, Any]) -> AsyncIterator[Any]:
    async with Manager() as manager:
        yield await manager.add(name, port, driver=driver, **options)


@asynccontextmanager
async def open_rig(
    rig: RigConfig | str | Path,
    *,
    require_all: bool = True,
    error_policy: ErrorPolicy = ErrorPolicy.RAISE,
    registry: Registry | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[Manager]:
    """Open the devices of a rig file; they are closed at the end of the block. Nothing is recorded.

    ``async with riglog.open_rig("rig.toml") as rig: samples = await rig.poll()``

    Args:
        rig: path of a rig file, or its configuration. Its sinks are not used.
        require_all: raise the error of a device that cannot be opened. Otherwise it is added when it responds.

    Raises:
        ExceptionGroup: one ConfigError per mistake in the rig file; nothing was opened.
        ConfigError: the rig file cannot be read; nothing was opened.
        PortError, ProtocolError, DeviceError: a device cannot be opened.
    """
    config = rig if isinstance(rig, RigConfig) else load_rig(rig, registry=registry)
    async with Manager(
        error_policy=error_policy, registry=registry, clock=clock, read_only=config.read_only
    ) as manager:
        await open_devices(manager, config.specs, require_all=require_all, wait=True, on_opening=None)
        yield manager
