"""The tables of schema 2, and why each exists. All are created with the file: nothing later changes a schema.

Readings are clustered: a block has all readings of a channel side by side, in the order of time. What several readings
share is stored once: texts in ``annotation``, names in ``series`` and ``channel``. The view ``samples`` joins them.
Tables that nothing fills yet are described in docs/reference/schema.md, with what will fill them.
"""

SCHEMA_VERSION = 2
APPLICATION_ID = 0x7269676C  # "rigl"
PAGE_BYTES = 1024
"""Small pages: every flush changes a page of every channel, and a changed page is written as a whole."""

RECORDED = """
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
    rig TEXT,
    source TEXT
);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    parameter TEXT NOT NULL,
    instance INTEGER NOT NULL,
    UNIQUE (device, parameter, instance)
);
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    series_id INTEGER NOT NULL REFERENCES series (id),
    segment INTEGER NOT NULL,
    driver TEXT NOT NULL,
    protocol TEXT NOT NULL,
    address,
    parameter_id INTEGER,
    unit TEXT
);
CREATE INDEX channel_of_series ON channel (series_id, run_id, segment);
CREATE TABLE annotation (
    id INTEGER PRIMARY KEY,
    text TEXT,
    unit TEXT,
    status TEXT NOT NULL,
    flags TEXT NOT NULL,
    error TEXT
);
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    merged INTEGER NOT NULL
);
CREATE INDEX block_of_run ON block (run_id);
CREATE TABLE reading (
    block_id INTEGER NOT NULL REFERENCES block (id),
    channel_id INTEGER NOT NULL REFERENCES channel (id),
    received_ns INTEGER NOT NULL,
    n INTEGER NOT NULL,
    value REAL,
    annotation_id INTEGER REFERENCES annotation (id),
    tick INTEGER,
    latency_ns INTEGER,
    skew_ns INTEGER,
    own_ns INTEGER,
    PRIMARY KEY (block_id, channel_id, received_ns, n)
) WITHOUT ROWID;
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    at_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    device TEXT,
    port TEXT,
    message TEXT NOT NULL,
    actor_id INTEGER REFERENCES actor (id),
    reason TEXT
);
CREATE TABLE flush (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    segment INTEGER NOT NULL,
    first_ns INTEGER,
    last_ns INTEGER,
    rows INTEGER NOT NULL,
    event_id INTEGER
);
CREATE TABLE minute (
    channel_id INTEGER NOT NULL REFERENCES channel (id),
    minute INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    count INTEGER NOT NULL,
    low REAL,
    high REAL,
    total REAL,
    first REAL,
    last REAL,
    PRIMARY KEY (channel_id, minute)
) WITHOUT ROWID;
CREATE TABLE hour (
    channel_id INTEGER NOT NULL REFERENCES channel (id),
    hour INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    count INTEGER NOT NULL,
    low REAL,
    high REAL,
    total REAL,
    first REAL,
    last REAL,
    minutes INTEGER NOT NULL,
    PRIMARY KEY (channel_id, hour)
) WITHOUT ROWID;
"""

RESERVED = """
CREATE TABLE actor (id INTEGER PRIMARY KEY, user TEXT NOT NULL, program TEXT NOT NULL, host TEXT NOT NULL);
CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    name TEXT NOT NULL,
    port TEXT,
    driver TEXT NOT NULL,
    version TEXT,
    options TEXT
);
CREATE TABLE derived (channel_id INTEGER PRIMARY KEY REFERENCES channel (id), formula TEXT NOT NULL, inputs TEXT);
CREATE TABLE burst (
    channel_id INTEGER NOT NULL REFERENCES channel (id),
    received_ns INTEGER NOT NULL,
    n INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    rate_hz REAL,
    first_own_ns INTEGER,
    step_ns INTEGER,
    PRIMARY KEY (channel_id, received_ns, n)
) WITHOUT ROWID;
CREATE TABLE note (
    id INTEGER PRIMARY KEY,
    run_id INTEGER REFERENCES run (id),
    at_ns INTEGER NOT NULL,
    written_ns INTEGER NOT NULL,
    device TEXT,
    text TEXT NOT NULL,
    actor_id INTEGER REFERENCES actor (id),
    reason TEXT,
    message_id TEXT UNIQUE
);
CREATE TABLE alarm (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    name TEXT NOT NULL,
    series_id INTEGER REFERENCES series (id),
    definition TEXT NOT NULL
);
CREATE TABLE alarm_change (
    id INTEGER PRIMARY KEY,
    alarm_id INTEGER NOT NULL REFERENCES alarm (id),
    at_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    value REAL,
    text TEXT,
    actor_id INTEGER REFERENCES actor (id),
    reason TEXT,
    message_id TEXT UNIQUE
);
CREATE TABLE parameter_write (
    event_id INTEGER PRIMARY KEY REFERENCES event (id),
    device TEXT NOT NULL,
    parameter TEXT NOT NULL,
    instance INTEGER NOT NULL,
    old_value,
    new_value,
    unit TEXT,
    confirmed INTEGER NOT NULL
);
CREATE TABLE identity (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    device TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    state TEXT NOT NULL,
    identity TEXT
);
CREATE TABLE wire (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    port TEXT NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    transactions INTEGER NOT NULL,
    encoding TEXT NOT NULL,
    content BLOB NOT NULL
);
CREATE INDEX wire_by_time ON wire (run_id, port, first_ns);
CREATE TABLE seal_key (id INTEGER PRIMARY KEY, algorithm TEXT NOT NULL, public_key BLOB NOT NULL);
CREATE TABLE seal (
    flush_id INTEGER PRIMARY KEY REFERENCES flush (id),
    format INTEGER NOT NULL,
    hash BLOB NOT NULL,
    key_id INTEGER REFERENCES seal_key (id),
    signature BLOB,
    extent TEXT
);
CREATE TABLE equipment (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    device TEXT NOT NULL,
    manufacturer TEXT,
    model TEXT,
    serial_number TEXT
);
CREATE TABLE certificate (
    id INTEGER PRIMARY KEY,
    equipment_id INTEGER NOT NULL REFERENCES equipment (id),
    number TEXT NOT NULL,
    issued_on TEXT,
    valid_until TEXT,
    file TEXT,
    sha256 BLOB,
    content BLOB
);
CREATE TABLE calibration (
    id INTEGER PRIMARY KEY,
    certificate_id INTEGER NOT NULL REFERENCES certificate (id),
    series_id INTEGER NOT NULL REFERENCES series (id),
    unit TEXT,
    form TEXT NOT NULL,
    correction TEXT NOT NULL,
    uncertainty TEXT,
    coverage_factor REAL
);
CREATE TABLE clock_check (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    at_ns INTEGER NOT NULL,
    synchronized INTEGER,
    offset_ns INTEGER,
    error_ns INTEGER,
    method TEXT NOT NULL,
    details TEXT
);
"""

TABLES = RESERVED + RECORDED
"""In this order, so that damage at the beginning of a file destroys empty tables first."""
