"""A transcript of a session with a real instrument: what was sent and received, and what was made of it.

It is a text file (JSON) that replays without the instrument: the same requests must be sent, and give the same samples.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from riglog.device import Device
from riglog.errors import ConfigError
from riglog.model import Sample
from riglog.plugin import AnyDriver, Driver, configure
from riglog.plugin.options import convert
from riglog.protocol import Connection
from riglog.simulation import SimulatedTransport
from riglog.testing.script import Script, ScriptStep
from riglog.testing.virtual_time import LoopClock

FORMAT = "riglog transcript 1"
POLLS, PAUSE = 3, 1.0
"""The script: open, identity, and so many polls with a pause before each."""
LONGEST_SCRIPT = 100_000


class Exchange(Struct, frozen=True, forbid_unknown_fields=True):
    """A request, and what arrived until the next one: pairs of seconds and bytes, as hexadecimal text."""

    sent: str
    received: tuple[tuple[float, str], ...] = ()


class Reading(Struct, frozen=True, forbid_unknown_fields=True):
    """What is compared of one sample."""

    parameter: str
    instance: int
    value: float | int | bool | str | None
    unit: str | None
    status: str

    @classmethod
    def of(cls, sample: Sample) -> "Reading":
        return cls(sample.parameter, sample.instance, sample.value, sample.unit, sample.status.value)


class Dialogue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transcript. ``settings`` are the keys of the ``[[device]]`` table, without name and port.

    ``model``, ``firmware`` and ``adapter`` are what the person at the instrument stated, ``system`` the computer.
    """

    format: str
    driver: str
    settings: dict[str, Any]
    protocol: str
    model: str
    firmware: str
    adapter: str
    system: str
    riglog: str
    exchanges: tuple[Exchange, ...]
    readings: tuple[Reading, ...]

    def transport(self) -> SimulatedTransport:
        """Return a port that expects the requests of the transcript, and gives its replies."""
        steps = [
            ScriptStep(bytes.fromhex(one.sent), tuple((seconds, bytes.fromhex(data)) for seconds, data in one.received))
            for one in self.exchanges
        ]
        return SimulatedTransport(Script(steps), port="transcript")

    async def replay(self, driver: AnyDriver[Any]) -> list[Reading]:
        """Return the readings of the script with this driver; run it on ``virtual_backend``.

        Raises:
            AssertionError: the driver sends another request than in the session.
            RiglogError: a reply is refused.
        """
        return await perform(self.device(driver, LoopClock()))

    def device(self, driver: AnyDriver[Any], clock: LoopClock) -> Device:
        """Return the device of the session on the port of the transcript."""
        from riglog.manager.device_spec import DeviceSpec, PortSpec

        assert isinstance(driver, Driver)
        config = configure(
            driver, {"name": "device", "driver": driver.name, "port": "transcript", **self.settings}, "device"
        )
        link = driver.link(config)
        factory = driver.client_factory(link)
        client = factory(Connection(self.transport(), link, clock)).with_timeout(config.timeout)
        port = PortSpec("transcript", "transcript", link, factory)
        spec = DeviceSpec(driver, config, driver.address(config), port)
        return driver.device(config, client, spec.context(clock))


async def perform(device: Device) -> list[Reading]:
    """Perform the script: it only reads."""
    import anyio

    await device.open()
    await device.identity()
    readings: list[Reading] = []
    for _ in range(POLLS):
        await anyio.sleep(PAUSE)
        readings += map(Reading.of, await device.poll())
    return readings


def load_dialogue(path: str | Path) -> Dialogue:
    """Return a transcript that ``riglog check --live --evidence`` has written.

    Raises:
        ConfigError: it is not one, or was damaged.
        OSError: it cannot be read.
    """
    try:
        table = msgspec.json.decode(Path(path).read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a transcript: {error}") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise ConfigError(f"{path}: not a transcript", hint=f'The key "format" must be "{FORMAT}"')
    dialogue = convert(table, Dialogue, str(path))
    for number, exchange in enumerate(dialogue.exchanges):
        for text in (exchange.sent, *(data for _, data in exchange.received)):
            try:
                bytes.fromhex(text)
            except ValueError:
                raise ConfigError(f"{path}: exchanges[{number}]: bytes are not hexadecimal") from None
    return dialogue
