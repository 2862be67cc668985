"""What is done with the kept bytes of a recording needs a recording that has them."""

from riglog.errors import ConfigError
from riglog.sinks.sqlite.reader import Database
from riglog.sinks.sqlite.schema import schema_of
from riglog.sinks.sqlite.schema1 import SCHEMA_1


def refuse_schema_1(database: Database) -> None:
    """Refuse a recording of schema 1.

    Raises:
        ConfigError: it is one.
    """
    if schema_of(database) == SCHEMA_1:
        raise ConfigError("a recording of schema 1 has no bytes", hint="Read its rows with riglog export")


def not_kept(what: str) -> ConfigError:
    """Return the error of a recording, or of one of its runs, without bytes."""
    return ConfigError(f"the bytes of this {what} were not kept", hint="Record it with keep_bytes = true in [[sink]]")
