"""Links: when devices may share a port, and how long characters take."""

from riglog.transport import Link


def test_a_character_has_start_data_parity_and_stop_bits() -> None:
    assert Link(protocol="x").bits_per_character == 10
    assert Link(protocol="x", bytesize=7, parity="O").bits_per_character == 10
    assert Link(protocol="x", parity="E", stopbits=2).bits_per_character == 12
    assert Link(protocol="x", baudrate=9600).seconds(960) == 1.0


def test_differences_name_what_keeps_two_links_from_sharing_a_port() -> None:
    one, other = Link(protocol="x"), Link(protocol="x", baudrate=19200, parity="E")
    assert one.differences(other) == ["baudrate 9600 here, 19200 there", "parity N here, E there"]
    assert one.differences(Link(protocol="x")) == []
