"""Data and commands of Telnet are separated, however they are cut."""

import pytest

from riglog.transport.telnet import (
    BINARY,
    DO,
    DONT,
    IAC,
    LONGEST_COMMAND,
    SB,
    SE,
    WILL,
    WONT,
    OptionSettled,
    Subnegotiation,
    Telnet,
    TelnetError,
    escaped,
    subnegotiation,
)

OPTION = 44
NOP = 241


def telnet() -> Telnet:
    return Telnet(ours=frozenset((BINARY, OPTION)), theirs=frozenset((BINARY,)))


def test_wanted_options_are_requested() -> None:
    assert telnet().requests() == bytes((IAC, WILL, BINARY, IAC, WILL, OPTION, IAC, DO, BINARY))


@pytest.mark.parametrize("pieces", [1, 2, 3, 100])
def test_data_and_commands_keep_their_order_however_they_are_cut(pieces: int) -> None:
    sent = b"12" + escaped(b"\xff\xff3") + bytes((IAC, NOP)) + subnegotiation(OPTION, b"\x65\xff\x00") + b"4"
    sent += bytes((IAC, DO, OPTION)) + b"5"
    received: list[object] = []
    connection = telnet()
    for start in range(0, len(sent), pieces):
        received += connection.receive(sent[start : start + pieces])
    data = b"".join(item for item in received if isinstance(item, bytes))
    assert data == b"12\xff\xff345"
    commands = [item for item in received if not isinstance(item, bytes)]
    assert commands == [Subnegotiation(OPTION, b"\x65\xff\x00"), OptionSettled(OPTION, True, True)]
    before = received[: received.index(commands[0])]
    assert b"".join(item for item in before if isinstance(item, bytes)) == b"12\xff\xff3"
    assert connection.answers == b""  # the peer agreed to what was requested


@pytest.mark.parametrize(
    ("sent", "answer"),
    [((DO, 1), (WONT, 1)), ((WILL, 1), (DONT, 1)), ((WONT, 1), ()), ((DONT, 1), ()), ((DO, OPTION), ())],
)
def test_an_option_that_is_not_wanted_is_refused_once(sent: tuple[int, ...], answer: tuple[int, ...]) -> None:
    connection = telnet()
    for _ in range(3):
        connection.receive(bytes((IAC, *sent)))
    assert connection.answers == (bytes((IAC, *answer)) * (3 if answer else 0))[: 3 * 3]


def test_an_option_that_is_switched_off_later_is_confirmed_and_reported() -> None:
    connection = telnet()
    assert connection.receive(bytes((IAC, WILL, BINARY))) == [OptionSettled(BINARY, False, True)]
    assert connection.receive(bytes((IAC, WILL, BINARY))) == []
    assert connection.receive(bytes((IAC, WONT, BINARY))) == [OptionSettled(BINARY, False, False)]
    assert connection.answers == bytes((IAC, DONT, BINARY))


@pytest.mark.parametrize(
    "sent",
    [
        bytes((IAC, SB, OPTION)) + bytes(LONGEST_COMMAND + 1),
        bytes((IAC, SB, OPTION)) + bytes(LONGEST_COMMAND + 1) + bytes((IAC, SE)),
        bytes((IAC, SB, OPTION, 1, IAC, DO, OPTION)),
    ],
)
def test_what_is_not_telnet_is_an_error(sent: bytes) -> None:
    with pytest.raises(TelnetError):
        telnet().receive(sent)
