"""What every ``[[device]]`` table of a rig file may contain; a driver's own struct adds to it."""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from riglog.transport import Link
from riglog.transport.link import Bytesize, Parity, Stopbits, Unit

NAME = "a name of letters, digits, _ and -, starting with a letter or digit, at most 64 characters"
PORT = 'a port name, such as "/dev/ttyUSB0", "COM3" or "tcp://host:4001"'
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z"
Seconds = Annotated[float, Meta(gt=0, le=86400)]
Interval = Annotated[float, Meta(ge=0, le=86400)]
IDENTITY_CHECK_SECONDS = 60.0
Rate = Annotated[float, Meta(gt=0, le=10_000)]


class DirectConfig(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a device without a port. The core applies all but ``driver`` and ``timeout`` (seconds).

    ``identity_check``: seconds between two identity checks while the device is polled without interruption; 0: none.
    ``file_keys``: the keys with the path of a file that the driver reads, relative to the rig file.
    """

    file_keys: ClassVar[tuple[str, ...]] = ()

    name: Annotated[str, Meta(pattern=NAME_PATTERN, description=NAME)]
    driver: str
    rate_hz: Rate | None = None
    timeout: Seconds | None = None
    identity_check: Interval = IDENTITY_CHECK_SECONDS
    parameters: tuple[str, ...] = ()


class DeviceConfig(DirectConfig, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a device on a port.

    Serial settings that are None are the usual ones of the driver for the protocol. The core applies ``timeout``
    (seconds per request), ``echo``, ``accept_unit``, ``rate_hz``, and what concerns late replies (see ``Link``).
    """

    port: Annotated[str, Meta(min_length=1, description=PORT)]
    protocol: str | None = None
    baudrate: Annotated[int, Meta(ge=50, le=4_000_000)] | None = None
    bytesize: Bytesize | None = None
    parity: Parity | None = None
    stopbits: Stopbits | None = None
    rtscts: bool = False
    xonxoff: bool = False
    dtr: bool | None = None
    rts: bool | None = None
    echo: bool = False
    late_reply_limit: Annotated[float, Meta(gt=0, le=3600)] | None = None
    strict: bool = False
    all_variants: bool = False
    accept_unit: Unit | tuple[Unit, ...] = ()

    def link_over(self, usual: Link) -> Link:
        """Return the usual link of the driver, with the settings of this configuration in place of its own."""
        own = {
            name: value
            for name in Link.__struct_fields__
            if name != "protocol" and (value := getattr(self, name)) is not None
        }
        return Link(**({name: getattr(usual, name) for name in usual.__struct_fields__} | own))
