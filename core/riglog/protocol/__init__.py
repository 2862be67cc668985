"""Requests and replies: codecs know the frames, the client performs the transactions."""

from riglog.protocol.client import ProtocolClient
from riglog.protocol.codec import Codec
from riglog.protocol.line import ClientCounters, TimedReply
from riglog.protocol.transaction_cost import TransactionCost

__all__ = ["ClientCounters", "Codec", "ProtocolClient", "TimedReply", "TransactionCost"]
