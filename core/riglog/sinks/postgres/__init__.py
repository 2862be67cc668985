"""PostgreSQL as a sink: runs are recorded locally first, then forwarded. Only ``central`` connects to a server."""

from riglog.sinks.postgres.forwarder import ForwardProgress, forward
from riglog.sinks.postgres.sink import POSTGRES, PostgresSink

__all__ = ["POSTGRES", "ForwardProgress", "PostgresSink", "forward"]
