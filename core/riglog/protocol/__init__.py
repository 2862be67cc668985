"""Requests and replies: codecs know the frames, the client performs the transactions."""

from riglog.protocol.client import HeldLine, ProtocolClient, Transactor
from riglog.protocol.codec import COPY_GAP, Codec
from riglog.protocol.connection import Connection
from riglog.protocol.line import ClientCounters
from riglog.protocol.timed_reply import TimedReply
from riglog.protocol.transaction_cost import TransactionCost

__all__ = [
    "COPY_GAP",
    "ClientCounters",
    "Codec",
    "Connection",
    "HeldLine",
    "ProtocolClient",
    "TimedReply",
    "TransactionCost",
    "Transactor",
]
