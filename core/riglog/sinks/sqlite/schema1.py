"""Schema 1, which is only read: rows in the order of recording, times relative to the start of the run.

The names of tables are made those of schema 2 where they are read, so that one row has one SQL: ``note`` held what is
an annotation now, and a channel had the columns of its series.
"""

import sqlite3

from riglog.sinks.sqlite.tables import APPLICATION_ID
from riglog.sinks.sqlite.views import iso, sample_columns

SCHEMA_1 = 1
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    started_ns INTEGER NOT NULL,
    anchor_ns INTEGER NOT NULL,
    finished_ns INTEGER,
    rate_hz REAL,
    host TEXT NOT NULL,
    versions TEXT NOT NULL,
    rig TEXT
);
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    device TEXT NOT NULL,
    driver TEXT NOT NULL,
    protocol TEXT NOT NULL,
    address,
    parameter TEXT NOT NULL,
    parameter_id INTEGER,
    instance INTEGER NOT NULL,
    unit TEXT
);
CREATE TABLE note (
    id INTEGER PRIMARY KEY,
    text TEXT,
    unit TEXT,
    status TEXT NOT NULL,
    flags TEXT NOT NULL,
    error TEXT
);
CREATE TABLE reading (
    id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channel (id),
    tick INTEGER,
    received_ns INTEGER NOT NULL,
    latency_ns INTEGER,
    skew_ns INTEGER,
    value REAL,
    note_id INTEGER REFERENCES note (id)
);
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    at_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    device TEXT,
    port TEXT,
    message TEXT NOT NULL
);
"""

RECEIVED = "(run.started_ns + reading.received_ns)"
SHARED = {
    "text": "annotation.text",
    "unit": "CASE WHEN reading.note_id IS NULL THEN channel.unit ELSE annotation.unit END",
    "status": "coalesce(annotation.status, 'ok')",
    "flags": "coalesce(annotation.flags, '')",
    "error": "annotation.error",
}
SAMPLE_COLUMNS = sample_columns(RECEIVED, SHARED, "NULL")
SAMPLE_TABLES = """
FROM reading
CROSS JOIN channel ON channel.id = reading.channel_id
JOIN channel AS series ON series.id = channel.id
JOIN run ON run.id = channel.run_id
LEFT JOIN note AS annotation ON annotation.id = reading.note_id"""

VIEWS = f"""
CREATE VIEW samples AS SELECT {SAMPLE_COLUMNS} {SAMPLE_TABLES};
CREATE VIEW events AS SELECT
    run.run AS run, {iso("event.at_ns")} AS at, event.kind AS kind, event.device AS device, event.port AS port,
    event.message AS message
FROM event JOIN run ON run.id = event.run_id;
"""  # noqa: S608 - made of constants of this file
for _now, _then in {
    "((run.started_ns + reading.received_ns) - coalesce": "(run.started_ns + reading.received_ns - coalesce",
    "\nJOIN channel AS series ON series.id = channel.id": "",
    "note AS annotation": "note",
    "annotation.": "note.",
    "series.": "channel.",
    "CROSS JOIN": "JOIN",
}.items():
    VIEWS = VIEWS.replace(_now, _then)


def create(database: sqlite3.Connection) -> None:
    """Make an empty recording of schema 1, to repair a damaged one: the pages of both are in the same order."""
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA_1}")
    database.execute("BEGIN")
    for statement in (TABLES + VIEWS).split(";\n"):
        database.execute(statement)
    database.execute("COMMIT")
