"""Instruments: what they report, who sets the pace, and what may change them."""

from riglog.device.device import Device
from riglog.device.polling import missing, poll_reads
from riglog.device.safety import Safety, require_confirmation
from riglog.device.source import Pace, PollSource, SourceGroup

__all__ = ["Device", "Pace", "PollSource", "Safety", "SourceGroup", "missing", "poll_reads", "require_confirmation"]
