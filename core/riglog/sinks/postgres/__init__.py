"""PostgreSQL as a store: recorded locally first, then forwarded. Only ``central`` talks to a server."""

from riglog.sinks.postgres.forwarder import Forwarded, forward
from riglog.sinks.postgres.sink import POSTGRES, PostgresSink

__all__ = ["POSTGRES", "Forwarded", "PostgresSink", "forward"]
