"""The public names of ``riglog.sinks.sqlite``, each with its home. See ``riglog._lazy``."""

from riglog.sinks.sqlite.identities import stored_identities as stored_identities
from riglog.sinks.sqlite.reader import open_recording as open_recording
from riglog.sinks.sqlite.reader import read_events as read_events
from riglog.sinks.sqlite.recorded import Recorded as Recorded
from riglog.sinks.sqlite.resume import StoredRun as StoredRun
from riglog.sinks.sqlite.resume import stored_run as stored_run
from riglog.sinks.sqlite.sink import SQLITE as SQLITE
from riglog.sinks.sqlite.sink import SqliteSink as SqliteSink
