"""The long-format row of schema 1: the only place where a sample becomes columns."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from riglog.model import NS, Batch, Sample, iso

SCHEMA_VERSION = 1


class Row(Struct, frozen=True):
    """One sample as every tabular sink stores it. The order of the fields is the order of the columns.

    Times are ISO 8601 UTC with ``Z`` and microseconds (what is below is cut off); ``latency_s`` is in seconds.
    """

    run: str | None
    tick: int | None
    device: str
    driver: str
    protocol: str
    address: int | str | None
    parameter: str
    parameter_id: int | None
    instance: int
    value: float | None
    text: str | None
    unit: str | None
    status: str
    flags: str
    error: str | None
    requested_at: str | None
    received_at: str
    midpoint_at: str
    latency_s: float | None
    monotonic_ns: int


COLUMNS: tuple[str, ...] = Row.__struct_fields__


def rows(run: str | None, batches: Sequence[Batch]) -> Iterator[Row]:
    """Every sample of the batches as a row."""
    for batch in batches:
        for sample in batch.samples:
            yield row(run, batch.tick, sample)


def row(run: str | None, tick: int | None, sample: Sample) -> Row:
    """One sample as a row."""
    channel, stamp = sample.channel, sample.stamp
    requested = stamp.requested_ns
    return Row(
        run,
        tick,
        channel.device,
        channel.driver,
        channel.protocol,
        channel.address,
        channel.parameter,
        channel.parameter_id,
        channel.instance,
        number(sample),
        words(sample),
        sample.unit,
        sample.status.value,
        flags(sample),
        sample.error,
        None if requested is None else iso(requested),
        iso(stamp.received_ns),
        iso(stamp.midpoint_ns),
        None if stamp.latency_ns is None else stamp.latency_ns / NS,
        stamp.monotonic_ns,
    )


def number(sample: Sample) -> float | None:
    """What goes into ``value``: numbers, and bools as 0 and 1."""
    value = sample.value
    return None if value is None or isinstance(value, str) else float(value)


def words(sample: Sample) -> str | None:
    """What goes into ``text``: words, and the label of an enumerated value."""
    return sample.value if isinstance(sample.value, str) else sample.text


def flags(sample: Sample) -> str:
    """Vendor facts, separated by spaces; empty if there are none."""
    return " ".join(sample.flags)


def as_json_object(row: Row) -> dict[str, object]:
    """A row with its column names, as ``riglog read --json`` prints it: all columns but ``run``."""
    return {name: getattr(row, name) for name in COLUMNS if name != "run"}
