"""Where the next reading of each channel goes: the key of a reading, unique whatever the clock does.

Within a channel of the file, time never goes back: ``n`` counts readings with equal times, and a clock that is set back
begins a new *segment*, in which every channel is a new one. So the order of keys is the order of recording.
"""

import sqlite3
from collections.abc import Iterator

import msgspec

from riglog.model import Channel
from riglog.sinks.sqlite.views import newest

CHANNELS = f"""
SELECT channel.id, series.device, channel.driver, channel.protocol, channel.address, series.parameter,
    channel.parameter_id, series.instance, channel.unit, derived.formula, derived.inputs,
    ({newest("newest.received_ns", "channel")}), ({newest("newest.n", "channel")})
FROM channel JOIN series ON series.id = channel.series_id LEFT JOIN derived ON derived.channel_id = channel.id
WHERE channel.run_id = ? AND channel.segment = ?"""  # noqa: S608
NEVER_NS = -(2**63)


class Place:
    """The newest reading of a channel. Changed with every reading, so it is a plain class with slots."""

    __slots__ = ("channel_id", "n", "received_ns")

    def __init__(self, channel_id: int, received_ns: int = NEVER_NS, n: int = -1) -> None:
        self.channel_id = channel_id
        self.received_ns = received_ns
        self.n = n


class Places:
    """The places of all channels of a run, in its present segment."""

    def __init__(self, database: sqlite3.Connection, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._places: dict[Channel, Place] = {}
        self.segment = 0
        self.closed: list[Place] = []  # of the segments that ended since this list was emptied
        self.load()

    def load(self) -> None:
        """Read them from the file: a run is resumed, or a transaction was rolled back."""
        places = {}
        (segment,) = self._database.execute(
            "SELECT coalesce(max(segment), 0) FROM channel WHERE run_id = ?", (self._run_id,)
        ).fetchone()
        for (
            number,
            device,
            driver,
            protocol,
            address,
            parameter,
            parameter_id,
            instance,
            unit,
            formula,
            inputs,
            *at,
        ) in self._database.execute(CHANNELS, (self._run_id, segment)):
            channel = Channel(
                device=device,
                driver=driver,
                protocol=protocol,
                address=address,
                parameter=parameter,
                parameter_id=parameter_id,
                instance=instance,
                unit=unit,
                formula=formula,
                inputs=() if formula is None else msgspec.json.decode(inputs, type=tuple[str, ...]),
            )
            places[channel] = Place(number, *at)
        self.segment, self._places = segment, places
        self.closed.clear()

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def __len__(self) -> int:
        return len(self._places)

    def next(self, channel: Channel, received_ns: int) -> Place:
        """Return the place of a reading that is stored now."""
        place = self._places.get(channel)
        if place is None or received_ns < place.received_ns:
            if place is not None:
                self.segment += 1
                self.closed += self._places.values()
                self._places.clear()
            place = self._places[channel] = Place(self._insert(channel))
        if received_ns == place.received_ns:
            place.n += 1
        else:
            place.received_ns, place.n = received_ns, 0
        return place

    def _insert(self, channel: Channel) -> int:
        words = channel.device, channel.parameter, channel.instance
        self._database.execute("INSERT OR IGNORE INTO series (device, parameter, instance) VALUES (?, ?, ?)", words)
        (series_id,) = self._database.execute(
            "SELECT id FROM series WHERE device = ? AND parameter = ? AND instance = ?", words
        ).fetchone()
        cursor = self._database.execute(
            "INSERT INTO channel (run_id, series_id, segment, driver, protocol, address, parameter_id, unit)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._run_id,
                series_id,
                self.segment,
                channel.driver,
                channel.protocol,
                channel.address,
                channel.parameter_id,
                channel.unit,
            ),
        )
        assert cursor.lastrowid is not None
        if channel.formula is not None:
            self._database.execute(
                "INSERT INTO derived (channel_id, formula, inputs) VALUES (?, ?, ?)",
                (cursor.lastrowid, channel.formula, msgspec.json.encode(channel.inputs).decode()),
            )
        return cursor.lastrowid
