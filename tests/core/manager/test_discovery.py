"""Finding instruments: a port that refuses a setting, an echo, a driver that hangs."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest
from toy import Ask, ToyDriver, ToySimulator

from riglog.errors import PortError, PortSettingsError, ReplyTimeoutError
from riglog.manager import discovery
from riglog.manager.discovery import PROBE_SECONDS, discover
from riglog.plugin import Driver, Found, installed
from riglog.protocol import Connection
from riglog.simulation import FaultyWire, SimulatedPeer, SimulatedTransport, Simulator
from riglog.testing import LoopClock
from riglog.transport import Link, Transport

LINKS = [Link(protocol="toy", baudrate=baudrate, parity=parity) for baudrate in (9600, 19200) for parity in ("E", "N")]


class Probed(ToyDriver):
    """Probes with the read of an identity; ``tried`` lists the links."""

    def __init__(self, name: str = "toy", links: Sequence[Link] = LINKS, hangs: bool = False) -> None:
        super().__init__()
        self.name = name
        self.links, self.hangs = links, hangs
        self.tried: list[Link] = []

    def links_to_probe(self) -> Sequence[Link]:
        return self.links

    async def probe(self, connection: Connection, *, listen: float | None = None) -> Sequence[Found]:
        self.tried.append(connection.link)
        if self.hangs:
            await anyio.sleep_forever()
        client = self.connect(connection)
        found = []
        for address in (1, 2):
            try:
                identity = (await client.transact(Ask(address, "who"))).reply
            except ReplyTimeoutError:
                continue
            found.append(Found("toy", address, identity, {"baudrate": connection.link.baudrate}))
        return found


class Echo(Simulator):
    """An adapter that returns what is sent, with or without an instrument behind it."""

    def __init__(self, instrument: Simulator | None = None) -> None:
        self.instrument = instrument

    def receive(self, data: bytes, now: float) -> bytes:
        return data + (self.instrument.receive(data, now) if self.instrument else b"")


@pytest.fixture
def notes() -> list[str]:
    return []


def connect(monkeypatch: pytest.MonkeyPatch, instrument: Simulator, refuses: Any = lambda link: None) -> None:
    async def opened(port: str, link: Link) -> Transport:
        if error := refuses(link):
            raise error
        peer: SimulatedPeer = FaultyWire(instrument)
        return SimulatedTransport(peer, port=port)

    monkeypatch.setattr(discovery, "open_transport", opened)


async def found_by(notes: list[str], *drivers: Driver[Any, Any]) -> list[tuple[str, Any, dict[str, Any]]]:
    found, errors = await discover(["p"], drivers, note=notes.append, clock=LoopClock())
    notes += [str(result.error) for result in errors]
    return [(one.driver, one.found.address, one.table("n")) for one in found]


async def test_a_setting_that_the_port_refuses_is_noted_and_the_others_are_tried(
    monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    def refuses(link: Link) -> PortError | None:
        return PortSettingsError("serial settings not supported by the port: EINVAL") if link.parity == "E" else None

    connect(monkeypatch, ToySimulator(2), refuses)
    driver, other = Probed(), Probed("other")
    found = await found_by(notes, driver, other)
    assert [(name, address) for name, address, _ in found] == [("other", 2), ("toy", 2)]
    assert [(link.baudrate, link.parity) for link in driver.tried] == [(9600, "N")]
    assert notes == ["p: not probed at 9600 baud 8E1: serial settings not supported by the port: EINVAL"]


async def test_a_port_that_refuses_every_setting_is_an_error(monkeypatch: pytest.MonkeyPatch, notes: list[str]) -> None:
    connect(monkeypatch, ToySimulator(1), lambda link: PortSettingsError("serial settings not supported", port="p"))
    assert await found_by(notes, Probed(links=LINKS[:1])) == []
    assert notes[-1] == "p: serial settings not supported"


async def test_another_error_of_the_port_ends_its_scan(monkeypatch: pytest.MonkeyPatch, notes: list[str]) -> None:
    connect(monkeypatch, ToySimulator(1), lambda link: PortError("port in use", port="p"))
    driver = Probed()
    assert await found_by(notes, driver) == []
    assert (driver.tried, notes) == ([], ["p: port in use"])


async def test_an_echo_without_an_instrument_is_a_note(monkeypatch: pytest.MonkeyPatch, notes: list[str]) -> None:
    connect(monkeypatch, Echo())
    assert await found_by(notes, Probed()) == []
    (note,) = notes
    assert note.startswith("p: the bytes received are those that were sent, and no instrument responded; ")
    assert "echo = true" in note


async def test_an_instrument_behind_an_echo_is_found_with_the_setting(
    monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    connect(monkeypatch, Echo(ToySimulator(2)))
    ((_, address, table),) = await found_by(notes, Probed())
    assert (address, table["echo"], notes) == (2, True, [])
    connect(monkeypatch, ToySimulator(2))
    ((_, address, table),) = await found_by(notes, Probed())
    assert "echo" not in table


@pytest.mark.parametrize("name", ["watlow", "servomex", "sartorius"])
async def test_no_driver_takes_an_echo_of_its_requests_for_an_instrument(
    monkeypatch: pytest.MonkeyPatch, notes: list[str], name: str
) -> None:
    connect(monkeypatch, Echo())
    driver = installed().driver(name)
    assert isinstance(driver, Driver)
    assert await found_by(notes, driver) == []
    assert [note for note in notes if "echo = true" in note] == notes != []


async def test_a_driver_that_hangs_is_limited_in_time_and_named(
    monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    connect(monkeypatch, ToySimulator(1))
    started = anyio.current_time()
    hanging = Probed("hanging", hangs=True)
    found = await found_by(notes, hanging, Probed())
    assert anyio.current_time() - started < PROBE_SECONDS + 10
    assert [name for name, *_ in found] == ["toy"]
    assert len(hanging.tried) == 1
    assert len(notes) == 1
    assert "driver hanging failed" in notes[0]
    assert f"probe() did not return within {PROBE_SECONDS:g} s" in notes[0]


async def test_each_step_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, ToySimulator(3))
    steps: list[str] = []
    await discover(["p"], [Probed()], steps.append, clock=LoopClock())
    assert steps == [f"p: probing for toy at {speed} baud 8{parity}1" for speed in (9600, 19200) for parity in "EN"]


async def test_the_usual_setting_of_every_driver_is_tried_before_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, ToySimulator(3))
    steps: list[str] = []
    two = Probed("two", links=[Link(protocol="fast", baudrate=38400), Link(protocol="slow", baudrate=1200)])
    await discover(["p"], [Probed(links=LINKS[:3]), two], steps.append, clock=LoopClock())
    assert [step.removeprefix("p: probing for ") for step in steps] == [
        "toy at 9600 baud 8E1",
        "two (fast) at 38400 baud 8N1",
        "toy at 9600 baud 8N1",
        "two (slow) at 1200 baud 8N1",
        "toy at 19200 baud 8E1",
    ]
