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

COEFFICIENTS = 9
"""Of the polynomial of a piece; see ``riglog.model.equipment``."""


def _in_piece(piece: str, raw: str) -> str:
    """Return the SQL of the condition that a raw value is in a piece: greater than its begin, up to its end."""
    above, up_to = (f"json_extract({piece}.value, '$[{number}]')" for number in (0, 1))
    return f"({above} IS NULL OR {raw} > {above}) AND ({up_to} IS NULL OR {raw} <= {up_to})"


def _at(piece: str, raw: str) -> str:
    """Return the SQL of the polynomial of a piece, computed as Python does it: Horner, from the highest term on."""
    distance = f"({raw} - json_extract({piece}.value, '$[2]'))"
    result = "0.0"
    for number in reversed(range(COEFFICIENTS)):
        result = f"(coalesce(json_extract({piece}.value, '$[4][{number}]'), 0.0) + {distance} * {result})"
    return result


SHOWN = (
    *("run", "tick", "device", "driver", "protocol", "address", "parameter", "parameter_id", "instance", "value"),
    *("text", "unit", "status", "flags", "error", "requested_at", "received_at", "midpoint_at", "latency_s"),
    *("monotonic_ns", "received_ns", "own_ns", "series_id", "channel_id", "segment", "n"),
    *("certificate", "certificate_valid", "coverage_factor", "corrected"),
)
"""The first columns of the view ``corrected``; ``uncertainty`` and ``remark`` follow."""
FINITE = "1.7976931348623157e308"
DAY = "strftime('%Y-%m-%d', samples.received_ns / 1000000000, 'unixepoch')"
CHANNEL = "samples.device || '.' || samples.parameter || '[' || samples.instance || ']'"
CORRECTED = f"""
SELECT
    {", ".join(f"row.{name}" for name in SHOWN)},
    CASE WHEN row.corrected IS NULL OR row.extended OR row.stated IS NULL THEN NULL
    WHEN json_extract(row.stated, '$.pieces') IS NULL THEN coalesce(json_extract(row.stated, '$.absolute'), 0.0)
        + coalesce(json_extract(row.stated, '$.relative'), 0.0) * abs(row.corrected)
    ELSE (SELECT {_at("piece", "row.value")} FROM json_each(row.stated, '$.pieces') AS piece
        WHERE {_in_piece("piece", "row.value")} LIMIT 1) END AS uncertainty,
    CASE WHEN row.certificate IS NULL THEN 'no calibration'
    WHEN row.value IS NULL THEN 'no value'
    WHEN coalesce(row.unit, '') <> row.unit_of_calibration THEN 'other unit'
    WHEN row.piece IS NULL OR row.extended THEN 'outside the calibrated range'
    WHEN row.corrected IS NULL THEN 'not finite' END AS remark
FROM (
    SELECT
        samples.*,
        known.number AS certificate,
        CASE WHEN known.issued_on > {DAY} THEN 0 ELSE {DAY} <= known.valid_until END AS certificate_valid,
        known.coverage_factor AS coverage_factor,
        known.unit AS unit_of_calibration,
        known.uncertainty AS stated,
        piece.key AS piece,
        coalesce(json_extract(piece.value, '$[3]'), 0) AS extended,
        CASE WHEN coalesce(samples.unit, '') = known.unit
            AND abs({_at("piece", "samples.value")}) <= {FINITE} THEN {_at("piece", "samples.value")} END AS corrected
    FROM samples
    LEFT JOIN (
        SELECT calibration.series_id AS series_id, calibration.unit AS unit, calibration.correction AS correction,
            calibration.uncertainty AS uncertainty, calibration.coverage_factor AS coverage_factor,
            certificate.number AS number, certificate.issued_on AS issued_on, certificate.valid_until AS valid_until,
            run.run AS run
        FROM calibration
        JOIN certificate ON certificate.id = calibration.certificate_id
        JOIN equipment ON equipment.id = certificate.equipment_id
        JOIN run ON run.id = equipment.run_id
    ) AS known ON known.series_id = samples.series_id AND known.run = samples.run
        AND json_extract(known.correction, '$.channel') = {CHANNEL}
    LEFT JOIN json_each(known.correction, '$.pieces') AS piece ON {_in_piece("piece", "samples.value")}
) AS row"""  # noqa: S608 - made of constants of this file
"""Each row with the corrected value beside the raw one. The name of the channel is compared too: it is sealed."""
CORRECTED_VIEW = f"CREATE VIEW IF NOT EXISTS corrected AS {CORRECTED}"

VIEWS = f"""
CREATE VIEW samples AS SELECT {SAMPLE_COLUMNS}{MORE_COLUMNS} {SAMPLE_TABLES};
CREATE VIEW latest AS SELECT {SAMPLE_COLUMNS}{MORE_COLUMNS} {LATEST_TABLES};
CREATE VIEW events AS SELECT
    run.run AS run, {iso("event.at_ns")} AS at, event.kind AS kind, event.device AS device, event.port AS port,
    event.message AS message
FROM event JOIN run ON run.id = event.run_id;
{CORRECTED_VIEW};
"""  # noqa: S608 - made of constants of this file
