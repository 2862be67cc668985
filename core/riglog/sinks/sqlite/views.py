"""The view ``samples``: the row of docs/reference/schema.md out of the tables, and the views beside it.

The order of the joins decides how fast a question is answered. CROSS JOIN makes SQLite start with the few channels, and
seek in each block; it may leave ``run`` out if no column of it is used. Annotations are not joined: SQLite would look
one up for every reading that it adds to a mean, also where no column of it is used.
"""

from collections.abc import Mapping


def iso(ns: str) -> str:
    """Return the SQL of a time as text."""
    return f"strftime('%Y-%m-%dT%H:%M:%S', {ns} / 1000000000, 'unixepoch') || printf('.%06dZ', {ns} / 1000 % 1000000)"


def sample_columns(received: str, shared: Mapping[str, str], own: str) -> str:
    """Return the SQL of the twenty columns of a row.

    Args:
        received: the SQL of the time of receipt, in ns since the epoch.
        shared: the SQL of each column of the annotation, which several readings share.
        own: the SQL of the instrument's own time; NULL if there is none.
    """
    midpoint = f"({received} - coalesce(reading.latency_ns, 0) / 2)"
    if own != "NULL":
        midpoint = f"coalesce({own}, {midpoint})"
    return f"""
    run.run AS run,
    reading.tick AS tick,
    series.device AS device,
    channel.driver AS driver,
    channel.protocol AS protocol,
    channel.address AS address,
    series.parameter AS parameter,
    channel.parameter_id AS parameter_id,
    series.instance AS instance,
    reading.value AS value,
    {shared["text"]} AS text,
    {shared["unit"]} AS unit,
    {shared["status"]} AS status,
    {shared["flags"]} AS flags,
    {shared["error"]} AS error,
    CASE WHEN reading.latency_ns IS NOT NULL THEN {iso(f"({received} - reading.latency_ns)")} END AS requested_at,
    {iso(received)} AS received_at,
    {iso(midpoint)} AS midpoint_at,
    reading.latency_ns / 1e9 AS latency_s,
    run.anchor_ns + {midpoint} - run.started_ns + coalesce(reading.skew_ns, 0) AS monotonic_ns"""


WITHOUT_ANNOTATION = {"text": "NULL", "unit": "channel.unit", "status": "'ok'", "flags": "''", "error": "NULL"}
"""What the columns are without an annotation."""
SHARED = {
    column: f"CASE WHEN reading.annotation_id IS NULL THEN {otherwise}"  # noqa: S608 - constants of this file
    f" ELSE (SELECT annotation.{column} FROM annotation WHERE annotation.id = reading.annotation_id) END"
    for column, otherwise in WITHOUT_ANNOTATION.items()
}
OWN = "(reading.received_ns + reading.own_ns)"
SAMPLE_COLUMNS = sample_columns("reading.received_ns", SHARED, OWN)
SAMPLE_TABLES = """
FROM series
JOIN channel ON channel.series_id = series.id
LEFT JOIN run ON run.id = channel.run_id
CROSS JOIN block ON block.run_id = channel.run_id
CROSS JOIN reading ON reading.block_id = block.id AND reading.channel_id = channel.id"""
MORE_COLUMNS = f""",
    reading.received_ns AS received_ns,
    {OWN} AS own_ns,
    series.id AS series_id,
    channel.id AS channel_id,
    channel.segment AS segment,
    reading.n AS n"""


def newest(columns: str, channel: str) -> str:
    """Return the SQL that selects columns of the newest reading of a channel: the last one of its last block."""
    return f"""SELECT {columns} FROM block AS latest
    CROSS JOIN reading AS newest ON newest.block_id = latest.id AND newest.channel_id = {channel}.id
    WHERE latest.run_id = {channel}.run_id
    ORDER BY latest.id DESC, newest.received_ns DESC, newest.n DESC LIMIT 1"""  # noqa: S608 - names of this package


LATEST_TABLES = f"""
FROM series
CROSS JOIN channel ON channel.id = (
    SELECT mine.id FROM channel AS mine WHERE mine.series_id = series.id
    ORDER BY mine.run_id DESC, mine.segment DESC, ({newest("newest.received_ns", "mine")}) DESC LIMIT 1
)
LEFT JOIN run ON run.id = channel.run_id
CROSS JOIN reading ON (reading.block_id, reading.channel_id, reading.received_ns, reading.n) = (
    {newest("newest.block_id, newest.channel_id, newest.received_ns, newest.n", "channel")}
)"""  # noqa: S608 - made of constants of this file
"""The newest reading of each series: later runs, and later segments of a run, are newer whatever the clock was."""

VIEWS = f"""
CREATE VIEW samples AS SELECT {SAMPLE_COLUMNS}{MORE_COLUMNS} {SAMPLE_TABLES};
CREATE VIEW latest AS SELECT {SAMPLE_COLUMNS}{MORE_COLUMNS} {LATEST_TABLES};
CREATE VIEW events AS SELECT
    run.run AS run, {iso("event.at_ns")} AS at, event.kind AS kind, event.device AS device, event.port AS port,
    event.message AS message
FROM event JOIN run ON run.id = event.run_id;
"""  # noqa: S608 - made of constants of this file
