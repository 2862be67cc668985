"""Requests and replies: codecs know the wire, the client knows the line."""

from riglog.protocol.client import ProtocolClient
from riglog.protocol.codec import Codec
from riglog.protocol.exchange import Exchange
from riglog.protocol.line import Answer, ClientCounters

__all__ = ["Answer", "ClientCounters", "Codec", "Exchange", "ProtocolClient"]
