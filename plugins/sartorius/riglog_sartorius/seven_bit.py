"""The 7-bit trap: a balance that sends 7 data bits and odd parity, read as 8 without parity. Source: section 2.2."""

FEWEST = 8
"""Bytes below which all parities being odd may be luck."""


def looks_like_seven_bits(data: bytes) -> bool:
    """Whether the top bit of every byte is odd parity over printable text. To be reported, never to be masked away."""
    return (
        len(data) >= FEWEST
        and any(byte & 0x80 for byte in data)
        and all(byte.bit_count() % 2 for byte in data)
        and all(0x20 <= byte & 0x7F <= 0x7E or byte & 0x7F in (0x0A, 0x0D) for byte in data)
    )
