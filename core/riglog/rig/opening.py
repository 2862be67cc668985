"""Opening the devices of a rig: those that are there; the others are added when their instruments respond."""

from collections.abc import Callable, Sequence

from riglog.errors import error_context
from riglog.manager import DeviceSpec, Manager


async def open_devices(
    manager: Manager,
    specs: Sequence[DeviceSpec],
    *,
    require_all: bool,
    wait: bool,
    on_opening: Callable[[str, str], None] | None,
) -> None:
    """Add all devices to the manager.

    Args:
        require_all: raise the error of a device that cannot be opened.
        wait: no device has to be there.

    Raises:
        PortError, ProtocolError, DeviceError: of the first device, if none can be opened.
    """
    for spec in specs:
        if on_opening is not None:
            on_opening(spec.name, spec.port_name or spec.protocol)
        await manager.add_spec(spec, absent_ok=not require_all)
    absent = manager.absent
    if len(absent) == len(specs) and not wait:
        with error_context(device=specs[0].name, port=specs[0].port_name):
            raise absent[specs[0].name]
