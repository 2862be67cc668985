"""Requests and replies: codecs know the wire, the client knows the line."""

from riglog.protocol.client import Answer, ClientCounters, ProtocolClient
from riglog.protocol.codec import Codec
from riglog.protocol.exchange import Exchange

__all__ = ["Answer", "ClientCounters", "Codec", "Exchange", "ProtocolClient"]
