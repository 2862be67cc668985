"""A session with a meter, as it would be recorded."""

from typing import Any

from meter import framed

from riglog.testing.transcript import FORMAT, Dialogue, Exchange, Reading

VALUES = ("1013.25", "21.50")


def session(**changes: Any) -> Dialogue:
    """A session with a meter, as it would be recorded."""

    def exchange(letter: str, value: str) -> Exchange:
        return Exchange(framed(f"#07 {letter}?").hex(), ((0.004, framed(f"#07 {letter} {value}").hex()),))

    identity, polls = exchange("S", "SN0000"), [exchange("P", VALUES[0]), exchange("T", VALUES[1])] * 3
    one = [Reading("pressure", 1, 1013.25, "mbar", "ok"), Reading("temperature", 1, 21.5, "degC", "ok")]
    told = {
        "format": FORMAT,
        "driver": "meter",
        "settings": {"address": 7},
        "protocol": "meter-ascii",
        "model": "PM-1",
        "firmware": "2.1",
        "adapter": "USB",
        "system": "Linux",
        "riglog": "0.1.0",
        "exchanges": (identity, identity, *polls),
        "readings": tuple(one * 3),
    }
    return Dialogue(**{**told, **changes})
